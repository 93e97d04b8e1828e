#!/usr/bin/env bash
# The profile as an NVIDIA Dynamo deployment over several machines. Discovery through etcd, which must run already.
#
#   multinode.sh frontend         on one machine
#   multinode.sh prefill [COUNT]  on each machine with prefill workers (COUNT of them there, by default 1)
#   multinode.sh decode [COUNT]   on each machine with decode workers
#   multinode.sh agg [COUNT]      instead of both, where the profile is colocated
#
# In any order; a worker may come and go at any time. Ctrl-C stops what was started on that machine.
#
# Variables: ETCD_ENDPOINTS (http://HOST:2379, several with commas), NODE_ADDRESS (this machine's address in the private
# network, by which the others reach it), INTERFACE (its network interface, where it isn't the default one), HTTP_HOST
# (where the frontend listens: 127.0.0.1), FIRST (the number of the first worker on this machine, which decides its
# ports and GPUs: 0), and as in local.sh PYTHON, PORT, SYSTEM_PORT, SIDE_CHANNEL_PORT, STOP_SECONDS, MAX_RESTARTS,
# STATE, MOCK=1, DRY_RUN=1.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=/dev/null
source "$HERE/engines.sh"
# shellcheck source=common.sh
source "$HERE/common.sh"

ROLE=${1:-}
WANTED=${2:-1}
FIRST=${FIRST:-0}
HTTP_HOST=${HTTP_HOST:-127.0.0.1}
STATE=$STATE-${ROLE:-none}-$FIRST
[[ $ROLE == frontend || " ${ROLES[*]} " == *" $ROLE "* ]] || fail "Expected a role, one of: frontend ${ROLES[*]}."
[[ $WANTED =~ ^[1-9][0-9]*$ && $FIRST =~ ^[0-9]+$ ]] || fail "COUNT and FIRST must be numbers."
[[ -n ${ETCD_ENDPOINTS:-} ]] || fail "Set ETCD_ENDPOINTS to etcd's address, such as http://HOST:2379."
[[ -n ${NODE_ADDRESS:-} ]] || fail "Set NODE_ADDRESS to the address by which other machines reach this one."
if [[ $ROLE == frontend && ! $HTTP_HOST =~ ^(127(\.[0-9]+){3}|localhost|::1)$ && ${UNPROTECTED:-0} != 1 ]]; then
    fail "The frontend asks for no key, so on $HTTP_HOST anybody could use it. Put a proxy that checks keys before it," \
        "or set UNPROTECTED=1 where the network is private."
fi

common_environment
export DYN_DISCOVERY_BACKEND=etcd ETCD_ENDPOINTS
export DYN_TCP_RPC_HOST=$NODE_ADDRESS VLLM_NIXL_SIDE_CHANNEL_HOST=$NODE_ADDRESS
if [[ -n ${INTERFACE:-} ]]; then export DYN_TCP_RESPONSE_STREAM_HOST=$INTERFACE; fi

if [[ $DRY_RUN == 1 ]]; then
    say "# with DYN_DISCOVERY_BACKEND=etcd ETCD_ENDPOINTS=$ETCD_ENDPOINTS DYN_TCP_RPC_HOST=$NODE_ADDRESS"
else
    check_tools
    if [[ $ROLE == frontend ]]; then check_port "$PORT" "the frontend" PORT; fi
    prepare_state
fi
if [[ $ROLE == frontend ]]; then
    start_frontend "$HTTP_HOST"
else
    for ((number = FIRST; number < FIRST + WANTED; number++)); do
        if [[ $DRY_RUN != 1 ]]; then check_port $((SYSTEM_PORT + number)) "metrics of $ROLE worker $number" SYSTEM_PORT; fi
        start_worker "$ROLE" "$number"
    done
fi
if [[ $DRY_RUN == 1 ]]; then exit; fi
say "Started $ROLE; logs in $STATE/logs."
READY=1
watch
