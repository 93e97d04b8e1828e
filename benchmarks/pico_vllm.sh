#!/usr/bin/env bash
# Serves pico with vLLM on one GPU and measures it with the suite's own runner: answers beside those of transformers and
# of the CPU engine, decisions a second, and, if asked for, the game itself. In the repository's root:
#
#     bash benchmarks/pico_vllm.sh [FOLDER]            # FOLDER: the model (serving/lmgame_serving/pico)
#     ENGINES="1 2 3" bash benchmarks/pico_vllm.sh     # 1, then 2, then 3 copies of vLLM side by side on the GPU
#     EVALUATION=240 bash benchmarks/pico_vllm.sh      # then 100 seeds up to 1,020 decisions, for at most 240 s
#
# One copy answers no more than a process of Python can schedule, with the GPU nearly idle: hence several. A first start
# takes two minutes.
#
# PYTHON        interpreter that has vllm, lmgame and transformers   python3
# OUT           folder for numbers, logs and the seeds' records     runs/pico_vllm
# ENGINES       copies of vLLM; of several numbers, one by one      2
# API_SERVERS   processes that read requests, shared by the copies  12
# PROCESSES     of the runner, for each copy; one run each          "2 3"
# GAMES         played at once                                      256
# SECONDS_EACH  of a run                                            30
# EVALUATION    seconds for 100 seeds, after the last run; 0: none  0
# PARITY        0 leaves the comparison of answers out              1
# PORT          of the first copy, the next ones follow             8000
# START_LIMIT   seconds until all copies must answer                300
# LIMIT         seconds for everything                              3600
# VLLM_ARGS     more arguments for `vllm serve`
# SERVE         the command in vLLM's place, given MODEL ARGUMENTS… ("$PYTHON -m vllm.entrypoints.cli.main serve")
set -u
model=${1:-serving/lmgame_serving/pico}
PYTHON=${PYTHON:-python3} OUT=${OUT:-runs/pico_vllm} PORT=${PORT:-8000}
SERVE=${SERVE:-$PYTHON -m vllm.entrypoints.cli.main serve}
end=$((SECONDS + ${LIMIT:-3600})) work=$(mktemp -d) failed=0
mkdir -p "$OUT"
rm -rf "$OUT"/{throughput_*.json,evaluation,evaluation.json,answers.txt,steps.txt,server_*.log}
ulimit -n "$(ulimit -H -n)"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false
export OMP_NUM_THREADS=1                 # many processes: one thread each
export VLLM_MEDIA_LOADING_THREAD_COUNT=1 # a frame is decoded in under a millisecond

say() { printf '%4ds  %s\n' $SECONDS "$*" | tee -a "$OUT/steps.txt"; }

# step NAME LIMIT COMMAND...: runs it under its own limit, within the whole; its output goes to $work/NAME.log
step() {
  local name=$1 limit=$2 began=$SECONDS rc=0 most=$((end - SECONDS - 8))
  shift 2
  ((limit > most)) && limit=$most
  if ((limit < 3)); then say "SKIPPED $name: no time left" && failed=1 && return 1; fi
  timeout -k 5 "$limit" "$@" >"$work/$name.log" 2>&1 || rc=$?
  say "$name: $((SECONDS - began)) s, exit status $rc"
  ((rc == 0)) || { failed=1 && tail -n 12 "$work/$name.log" | cut -c1-300; }
  return $rc
}

engines=()
stop() {
  local pid
  for pid in "${engines[@]}"; do kill -TERM -- "-$pid" 2>/dev/null; done
  ((${#engines[@]})) && sleep 3
  for pid in "${engines[@]}"; do kill -KILL -- "-$pid" 2>/dev/null; done
  engines=()
}
trap 'stop; [ -z "${offline:-}" ] || kill -- "-$offline" 2>/dev/null; rm -rf "$work"' EXIT

# serve COPIES: starts them, and waits until all answer; their addresses are then in urls
serve() {
  local copies=$1 servers=$(((${API_SERVERS:-12} + $1 - 1) / $1)) began=$SECONDS n pid
  urls=()
  for ((n = 0; n < copies; n++)); do
    # A cache each, since all compile the same at the same time. KV cache for 5,000 games; the share of memory is but
    # what has to be free at the start.
    VLLM_CACHE_ROOT=$work/cache_$n setsid $SERVE "$model" --served-model-name pico \
      --host 127.0.0.1 --port $((PORT + n)) --dtype bfloat16 --limit-mm-per-prompt '{"image": 1}' \
      --mm-processor-cache-gb 0 --no-enable-prefix-caching \
      --api-server-count "$servers" --max-num-seqs 512 --max-num-batched-tokens 16384 --kv-cache-memory-bytes 2G \
      --gpu-memory-utilization 0.1 --cudagraph-capture-sizes 1 2 4 8 16 32 64 96 128 192 256 384 512 \
      --stream-interval 32 --disable-log-stats --disable-uvicorn-access-log ${VLLM_ARGS:-} \
      >"$OUT/server_${copies}_$n.log" 2>&1 &
    engines+=($!)
    urls+=("http://127.0.0.1:$((PORT + n))/v1#pico")
  done
  for ((n = 0; n < copies; n++)); do
    until curl -sf -m 2 "http://127.0.0.1:$((PORT + n))/v1/models" >/dev/null 2>&1; do
      for pid in "${engines[@]}"; do
        kill -0 "$pid" 2>/dev/null && continue
        say "FAILED: a copy of vLLM ended" && failed=1
        grep -hnE 'Error|ERROR' "$OUT/server_${copies}"_*.log | tail -n 12 | cut -c1-300
        return 1
      done
      if ((SECONDS - began > ${START_LIMIT:-300} || SECONDS > end - 20)); then
        say "FAILED: no answer from copy $n after $((SECONDS - began)) s" && failed=1
        tail -n 12 "$OUT/server_${copies}_$n.log" | cut -c1-300
        return 1
      fi
      sleep 1
    done
  done
  say "$copies copies of vLLM, $servers API servers each, answer after $((SECONDS - began)) s"
}

# Answers of transformers in float32 and of the CPU engine, while vLLM starts.
if ((${PARITY:-1})); then
  ask="$PYTHON -m reference.parity" at=$work
  OMP_NUM_THREADS=4 setsid bash -c "$ask frames $at/new.json --games tetris && mv $at/new.json $at/frames.json &&
    $ask transformers $at/frames.json $at/transformers_f32.json --folder '$model' &&
    $ask engine $at/frames.json $at/cpu_engine.json --folder '$model'" >"$work/offline.log" 2>&1 &
  offline=$!
fi

for copies in ${ENGINES:-2}; do
  stop
  serve "$copies" || { stop; continue; }
  if [ -n "${offline:-}" ]; then # once
    until [ -s "$work/frames.json" ] || ! kill -0 "$offline" 2>/dev/null; do sleep 1; done
    step vllm 90 $ask url "$work/frames.json" "$work/vllm.json" --url "${urls[0]}"
    while kill -0 "$offline" 2>/dev/null && ((SECONDS < end - 60)); do sleep 1; done
    step answers 30 $ask compare "$work"/{transformers_f32,vllm,cpu_engine}.json ||
      tail -n 5 "$work/offline.log" | cut -c1-300
    cp "$work/answers.log" "$OUT/answers.txt"
    kill -- "-$offline" 2>/dev/null
    offline=
  fi
  counts=()
  for each in ${PROCESSES:-2 3}; do counts+=($((each * copies))); done
  step "throughput_$copies" $((${#counts[@]} * (${SECONDS_EACH:-30} + 20))) \
    "$PYTHON" benchmarks/pico_vllm.py "${urls[@]}" --games "${GAMES:-256}" --processes "${counts[@]}" \
    --seconds "${SECONDS_EACH:-30}" --out "$work/throughput_$copies" --json "$OUT/throughput_$copies.json"
done

if ((${EVALUATION:-0} && ${#engines[@]})); then
  seconds=$((end - SECONDS - 30))
  ((seconds > EVALUATION)) && seconds=$EVALUATION
  step evaluation $((seconds + 20)) "$PYTHON" benchmarks/pico_vllm.py "${urls[@]}" --games 100 \
    --processes "${counts[-1]}" --max-decisions 1020 --seconds "$seconds" \
    --out "$OUT/evaluation" --json "$OUT/evaluation.json"
fi
stop

echo && nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null && nproc
[ ! -s "$OUT/answers.txt" ] || { echo "== answers" && head -n 14 "$OUT/answers.txt" | cut -c1-260; }
for copies in ${ENGINES:-2}; do
  log=$work/throughput_$copies.log
  [ ! -s "$log" ] || { echo "== $copies copies of vLLM" && tail -n 8 "$log"; }
done
[ ! -s "$work/evaluation.log" ] || { echo "== 100 seeds" && tail -n 4 "$work/evaluation.log"; }
echo "== steps" && cat "$OUT/steps.txt"
exit $failed
