# shellcheck shell=bash disable=SC2154
# What local.sh and multinode.sh share: starting, watching and stopping Dynamo's processes.
# engines.sh, beside this, holds the profile: MODEL, NAME, ROLES, COUNT, ARGS_<role>, ENV_<role>, …

((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)) || { echo "This needs bash 5.1 or newer." >&2; exit 2; }

PYTHON=${PYTHON:-python3}
MOCK=${MOCK:-0}
DRY_RUN=${DRY_RUN:-0}
PORT=${PORT:-8000}
SYSTEM_PORT=${SYSTEM_PORT:-9100}
SIDE_CHANNEL_PORT=${SIDE_CHANNEL_PORT:-5600}
START_SECONDS=${START_SECONDS:-$DEFAULT_START_SECONDS}
STOP_SECONDS=${STOP_SECONDS:-20}
MAX_RESTARTS=${MAX_RESTARTS:-5}
STATE=${STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/lmgame/dynamo-$PORT}

declare -A LABEL=() # of each running process, by its id
declare -A WORKER=() # the role and number of a worker, by its label
declare -A RESTARTS=() # by label

say() { printf '%s\n' "$*"; }
fail() {
    printf 'Error: %s\n' "$*" >&2
    exit 1
}

# Variables of every process; where it is reached is up to the caller.
common_environment() {
    export DYN_REQUEST_PLANE=tcp DYN_EVENT_PLANE=zmq
    export DYN_SYSTEM_HOST=127.0.0.1 DYN_HTTP_BODY_LIMIT_MB=$BODY_LIMIT_MB
    export CUDA_DEVICE_ORDER=PCI_BUS_ID
    export VLLM_HOST_IP=127.0.0.1 # where a worker's own processes meet
    export VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1
    if [[ $MOCK == 1 ]]; then export HF_HUB_OFFLINE=1; fi
}

# Lists what is missing on this machine, or can't be used.
check_tools() {
    local tool module=dynamo.vllm
    for tool in setsid setpriv "$PYTHON"; do
        command -v "$tool" >/dev/null || fail "$tool isn't installed."
    done
    if [[ $MOCK == 1 ]]; then module=dynamo.mocker; fi
    "$PYTHON" -c "
import importlib.util as u, sys
sys.exit(not (u.find_spec('dynamo') and u.find_spec('dynamo.frontend') and u.find_spec('$module')))" ||
        fail "$PYTHON has no $module. Point PYTHON at an environment that has ai-dynamo==$DYNAMO_VERSION."
}

# Fails where something listens on a port already.
check_port() {
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
        fail "Port $1 ($2) is taken. Stop what uses it, or set $3 to another one."
    fi
}

frontend_command() { # HOST
    COMMAND=("$PYTHON" -m dynamo.frontend --http-host "$1" --http-port "$PORT" "${FRONTEND_ARGS[@]}")
}

# Puts a worker's command line into COMMAND. It is the same wherever the worker runs.
worker_command() { # ROLE
    local -n arguments=ARGS_$1
    if [[ $MOCK == 1 ]]; then
        COMMAND=("$PYTHON" -m dynamo.mocker --model-path "$MODEL" --model-name "$NAME" --num-workers 1)
        COMMAND+=(--block-size "$BLOCK_SIZE" --disaggregation-mode "$1")
    else
        COMMAND=("$PYTHON" -m dynamo.vllm "${arguments[@]}")
    fi
}

# Puts into SETTINGS what one worker of this machine has for itself: ports and GPUs.
worker_settings() { # ROLE NUMBER
    local -n environment=ENV_$1
    local first=0 devices=("${GPUS[@]}")
    if [[ $SHARE_GPU == 0 ]]; then first=$(($2 * TENSOR_PARALLEL)); fi
    if ((!${#devices[@]})); then mapfile -t devices < <(seq 0 $((first + TENSOR_PARALLEL - 1))); fi
    devices=("${devices[@]:first:TENSOR_PARALLEL}")
    ((${#devices[@]} == TENSOR_PARALLEL)) || fail "Worker $2 has no GPU: the profile names ${#GPUS[@]} for a machine."
    SETTINGS=(DYN_SYSTEM_PORT=$((SYSTEM_PORT + $2)))
    SETTINGS+=(VLLM_NIXL_SIDE_CHANNEL_PORT=$((SIDE_CHANNEL_PORT + $2 * SIDE_CHANNEL_GAP)))
    SETTINGS+=(CUDA_VISIBLE_DEVICES="$(IFS=,; echo "${devices[*]}")")
    # Not shared, since two workers that compile the same thing at once would write the same files.
    SETTINGS+=(VLLM_CACHE_ROOT="${XDG_CACHE_HOME:-$HOME/.cache}/lmgame/vllm/$1-$2")
    SETTINGS+=("${environment[@]}")
}

# Starts COMMAND with SETTINGS in a session of its own, which dies with this script, and notes it under a label.
launch() { # LABEL
    if [[ $DRY_RUN == 1 ]]; then
        printf '%q ' env "${SETTINGS[@]}" "${COMMAND[@]}"
        printf '\n'
        return
    fi
    env "${SETTINGS[@]}" setpriv --pdeathsig KILL setsid "${COMMAND[@]}" </dev/null >>"$STATE/logs/$1.log" 2>&1 &
    LABEL[$!]=$1
}

start_worker() { # ROLE NUMBER
    local label=$1-$2
    WORKER[$label]="$1 $2"
    worker_command "$1"
    worker_settings "$1" "$2"
    launch "$label"
}

start_frontend() { # HOST
    FRONTEND_HOST=$1
    frontend_command "$1"
    SETTINGS=()
    launch frontend
}

prepare_state() {
    umask 077
    mkdir -p "$STATE/logs"
    [[ -O $STATE ]] || fail "$STATE belongs to somebody else. Set STATE to another folder."
    rm -f "$STATE"/logs/*.log
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    trap stop_all EXIT
}

alive() { # PID…: those whose process group still has a member
    local id
    for id; do if kill -0 -- "-$id" 2>/dev/null; then echo "$id"; fi; done
}

# SIGTERM, time to finish what is under way, then SIGKILL for what is left.
stop_groups() { # PID…
    local tenths=$((STOP_SECONDS * 10)) id
    for id; do kill -TERM -- "-$id" 2>/dev/null || true; done
    while ((tenths-- > 0)) && [[ -n $(alive "$@") ]]; do sleep 0.1; done
    for id; do kill -KILL -- "-$id" 2>/dev/null || true; done
}

# The frontend goes first, so that no new work comes; prefill workers go last, since others still read from them.
stop_all() {
    trap '' INT TERM HUP
    trap - EXIT
    local wanted id
    if [[ -n ${PROVER:-} ]]; then kill "$PROVER" 2>/dev/null || true; fi
    for wanted in frontend decode agg prefill; do
        local group=()
        for id in "${!LABEL[@]}"; do if [[ ${LABEL[$id]} == "$wanted"* ]]; then group+=("$id"); fi; done
        if ((${#group[@]})); then stop_groups "${group[@]}"; fi
    done
    if [[ -n ${DISCOVERY:-} ]]; then rm -rf -- "$DISCOVERY"; fi
}

last_words() { # LABEL
    say "The end of $STATE/logs/$1.log:" >&2
    tail -n 20 "$STATE/logs/$1.log" >&2 || true
}

# Waits until as many workers as wanted are known to the frontend and an answer came from them. In the background.
prove() { # PREFILL BACKEND
    exec setpriv --pdeathsig KILL "$PYTHON" - "http://127.0.0.1:$PORT" "$NAME" "$START_SECONDS" "$@" <<'PYTHON'
import json, sys, time, urllib.request

url, name, seconds, wanted = sys.argv[1], sys.argv[2], float(sys.argv[3]), [int(n) for n in sys.argv[4:]]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
ask = json.dumps({"model": name, "messages": [{"role": "user", "content": "ready?"}], "max_tokens": 1}).encode()
deadline, said = time.monotonic() + seconds, "nothing answered"
while time.monotonic() < deadline:
    try:
        known = json.load(opener.open(f"{url}/health", timeout=5)).get("instances", [])
        roles = [one["component"] for one in known if one["endpoint"] == "generate"]
        there = [roles.count("prefill"), roles.count("backend")]
        said = f"{there[0]} of {wanted[0]} prefill and {there[1]} of {wanted[1]} other workers have registered"
        if there[0] >= wanted[0] and there[1] >= wanted[1]:
            post = urllib.request.Request(f"{url}/v1/chat/completions", ask, {"Content-Type": "application/json"})
            with opener.open(post, timeout=60) as answer:
                if json.load(answer).get("choices"):
                    sys.exit(0)
    except (OSError, ValueError, KeyError) as error:
        said = str(error)
    time.sleep(0.5)
print(f"Not ready after {seconds:.0f} s: {said}.", file=sys.stderr)
sys.exit(1)
PYTHON
}

# What a machine can do so that nobody asks a dead worker any more. Without it the worker's lease runs out after 10 s.
forget_dead() { :; }

# Watches what was started until a signal comes. Before READY is 1 a process that ends is fatal; afterwards it is
# started again, a little later each time, at most MAX_RESTARTS times.
watch() {
    local ended code label count
    while ((${#LABEL[@]})); do
        ended='' code=0
        wait -n -p ended 2>/dev/null || code=$?
        if [[ -n $ended && $ended == "${PROVER:-}" ]]; then
            PROVER=''
            ((code == 0)) || fail "the workers don't answer; their logs are in $STATE/logs."
            READY=1
            ready
            continue
        fi
        label=${LABEL[${ended:-0}]:-}
        [[ -n $label ]] || continue
        unset "LABEL[$ended]"
        kill -KILL -- "-$ended" 2>/dev/null || true # what it left behind
        forget_dead
        count=$((${RESTARTS[$label]:-0} + 1))
        if [[ ${READY:-0} == 0 ]] || ((count > MAX_RESTARTS)); then
            last_words "$label"
            fail "$label ended with code $code."
        fi
        RESTARTS[$label]=$count
        say "$label ended with code $code; starting it again in $count s ($count of $MAX_RESTARTS times)."
        sleep "$count"
        if [[ $label == frontend ]]; then start_frontend "$FRONTEND_HOST"; else start_worker "${WORKER[$label]% *}" "${WORKER[$label]#* }"; fi
    done
}
