# shellcheck shell=bash disable=SC2034
# The profile, as local.sh and multinode.sh read it. Written by `lmgame serve export --to dynamo`.
DYNAMO_VERSION=1.4.2
MODEL=Qwen/Qwen2.5-VL-3B-Instruct
NAME=Qwen/Qwen2.5-VL-3B-Instruct
ROLES=(prefill decode)
declare -A COUNT=([prefill]=1 [decode]=1)
GPUS=()
TENSOR_PARALLEL=1
SHARE_GPU=0
BLOCK_SIZE=64
SIDE_CHANNEL_GAP=100
BODY_LIMIT_MB=32
DEFAULT_START_SECONDS=900
FRONTEND_ARGS=(--router-mode kv --no-router-kv-events --router-session-affinity-ttl-secs 600)
ARGS_prefill=(--model Qwen/Qwen2.5-VL-3B-Instruct --disaggregation-mode prefill --enable-multimodal --served-model-name Qwen/Qwen2.5-VL-3B-Instruct --limit-mm-per-prompt '{"image":1,"video":0}' --kv-transfer-config '{"kv_connector":"NixlConnector","kv_role":"kv_producer","kv_load_failure_policy":"fail","kv_connector_extra_config":{"kv_lease_duration":30}}' --block-size 64 --mm-processor-cache-gb 0.0 --stream-interval 8)
ENV_prefill=(OMP_NUM_THREADS=1)
ARGS_decode=(--model Qwen/Qwen2.5-VL-3B-Instruct --disaggregation-mode decode --enable-multimodal --enable-mm-embeds --served-model-name Qwen/Qwen2.5-VL-3B-Instruct --limit-mm-per-prompt '{"image":1,"video":0}' --kv-transfer-config '{"kv_connector":"NixlConnector","kv_role":"kv_consumer","kv_load_failure_policy":"fail","kv_connector_extra_config":{"kv_lease_duration":30}}' --block-size 64 --mm-processor-cache-gb 0.0 --stream-interval 8)
ENV_decode=(OMP_NUM_THREADS=1)
