#!/usr/bin/env bash
# The profile as an NVIDIA Dynamo deployment on this machine's GPUs. Discovery through a folder: no etcd, no NATS.
#
#   local.sh                    starts frontend and workers, tells when they answer, and watches them; Ctrl-C stops all
#   local.sh worker ROLE NUMBER starts one more worker (ROLE: prefill, decode or agg), which joins what runs already;
#                               NUMBER decides its ports and GPUs and counts on from those that run
#
# Variables: PYTHON (an interpreter that has ai-dynamo), PORT (of the frontend, 8000), SYSTEM_PORT and
# SIDE_CHANNEL_PORT (the workers' first ones), START_SECONDS, STOP_SECONDS, MAX_RESTARTS, STATE (discovery and logs),
# MOCK=1 (Dynamo's mock engine: no GPU, no vLLM, texts are noise), DRY_RUN=1 (print the commands only).
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=/dev/null
source "$HERE/engines.sh"
# shellcheck source=common.sh
source "$HERE/common.sh"

# The frontend has no key, so everything stays on loopback, as far as Dynamo lets it (see README.md).
common_environment
export DYN_DISCOVERY_BACKEND=file DYN_FILE_KV=$STATE/discovery
export DYN_TCP_RPC_HOST=127.0.0.1 DYN_TCP_RESPONSE_STREAM_HOST=lo VLLM_NIXL_SIDE_CHANNEL_HOST=127.0.0.1
export UCX_TLS=${UCX_TLS:-cuda_ipc,cuda_copy,sm,self,tcp} # from GPU to GPU, never by a network card

one_worker() { # ROLE NUMBER
    [[ " ${ROLES[*]} " == *" $1 "* ]] || fail "This profile has no $1 workers, only: ${ROLES[*]}."
    [[ $2 =~ ^[0-9]+$ ]] || fail "NUMBER was $2, not a number."
    if [[ $DRY_RUN != 1 ]]; then
        [[ -d $DYN_FILE_KV ]] || fail "Nothing runs with STATE=$STATE. Start local.sh first."
        check_tools
        check_port $((SYSTEM_PORT + $2)) "the worker's metrics" SYSTEM_PORT
    fi
    worker_command "$1"
    worker_settings "$1" "$2"
    if [[ $DRY_RUN == 1 ]]; then
        launch "$1-$2"
    else
        exec env "${SETTINGS[@]}" "${COMMAND[@]}"
    fi
}

ready() {
    say "Ready: http://127.0.0.1:$PORT/v1 (logs in $STATE/logs)"
    say "Play: lmgame play --model 'http://127.0.0.1:$PORT/v1#$NAME' --game tetris"
}

# Takes workers that nobody can connect to out of the discovery folder. The frontend sees that at once.
forget_dead() {
    local file
    for file in "$DYN_FILE_KV"/v1/instances/*; do
        [[ -f $file && $(<"$file") =~ \"127\.0\.0\.1:([0-9]+)/ ]] || continue
        if (exec 3<>"/dev/tcp/127.0.0.1/${BASH_REMATCH[1]}") 2>/dev/null; then continue; fi
        rm -f -- "$DYN_FILE_KV"/v1/*/*"%2F${file##*%2F}"
    done
}

all_workers() {
    local number=0 role count
    for role in "${ROLES[@]}"; do
        for ((count = 0; count < ${COUNT[$role]}; count++)); do
            "$@" "$role" $((number++))
        done
    done
}

check_ports() { # ROLE NUMBER
    check_port $((SYSTEM_PORT + $2)) "metrics of $1 worker $2" SYSTEM_PORT
    check_port $((SIDE_CHANNEL_PORT + $2 * SIDE_CHANNEL_GAP)) "KV transfer of $1 worker $2" SIDE_CHANNEL_PORT
}

if [[ ${1:-} == worker && $# == 3 ]]; then
    one_worker "$2" "$3"
    exit
elif (($#)); then
    fail "Expected no arguments, or: worker ROLE NUMBER."
fi

if [[ $DRY_RUN != 1 ]]; then
    check_tools
    check_port "$PORT" "the frontend" PORT
    all_workers check_ports
    prepare_state
    DISCOVERY=$DYN_FILE_KV
    rm -rf -- "$DISCOVERY"
    mkdir -- "$DISCOVERY"
fi
start_frontend 127.0.0.1
all_workers start_worker
if [[ $DRY_RUN == 1 ]]; then exit; fi
say "Starting; logs in $STATE/logs."
prove "${COUNT[prefill]:-0}" $((${COUNT[decode]:-0} + ${COUNT[agg]:-0})) &
PROVER=$!
watch
