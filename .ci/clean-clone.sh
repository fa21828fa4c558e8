#!/usr/bin/env bash
# What a newcomer meets: clone HEAD into an empty folder, start it twice with an empty environment, wait
# for the quick run to be trained and evaluated, and stop. Prints the times. For people; not in `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."

source=$PWD
folder=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
make=0

empty=(env -i "HOME=$folder/home" PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8)
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", b - a }'; }
fail() { echo "FAILED: $*" >&2; tail -n 30 "$folder"/lab/.etrm/logs/*.log "$folder"/up.* >&2; exit 1; }

left() { # processes whose environment names this folder
    grep -lsz "^PWD=$folder\|^ETRM_HOME=$folder" /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3 || true
}

cleanup() {
    if [ "$make" != 0 ]; then kill "$make" 2>/dev/null && wait "$make" || true; fi
    rm -rf "$folder"
}
trap cleanup EXIT

start() { # name of the start; sets $url
    local began
    began=$(now)
    : >"$folder/up.out"
    "${empty[@]}" make -C "$folder/lab" up ARGS="--port $port" >"$folder/up.out" 2>"$folder/up.err" &
    make=$!
    until url=$(grep -m 1 -o 'http://[^ ]*' "$folder/up.out"); do
        kill -0 "$make" 2>/dev/null || fail "make up ended: $(cat "$folder/up.err")"
        sleep 0.05
    done
    echo "$1 start: serving after $(since "$began")"
}

stop() {
    local began
    began=$(now)
    kill -TERM "$make"
    wait "$make" || true
    make=0
    for _ in $(seq 100); do [ -z "$(left)" ] || sleep 0.1; done
    [ -z "$(left)" ] || fail "processes are left: $(left)"
    [ ! -e "$folder/lab/.etrm/etrm.lock" ] || fail "the lock is left"
    echo "stopped after $(since "$began"), no process and no lock left"
}

etrm() { (cd "$folder/lab" && "${empty[@]}" .venv/bin/etrm "$@"); }
fetch() { curl --noproxy '*' --silent --show-error --fail "$@"; }
api() { fetch -H "Authorization: Bearer $token" "http://127.0.0.1:$port/api/v1/$1"; }
newest() { api runs | python3 -c "import json, sys; print(json.load(sys.stdin)['runs'][0]['$1'])"; }

mkdir "$folder/home"
git clone --quiet "$source" "$folder/lab"
echo "clone of $(git rev-parse --short HEAD) in $folder"

start first
began=$(now)
fetch --output /dev/null --cookie-jar "$folder/cookies" --location "$url" || fail "the login link"
fetch --output /dev/null --cookie "$folder/cookies" "http://127.0.0.1:$port/" || fail "the runs page"
token=$(etrm token create clean-clone)
until [ "$(newest status)" = finished ]; do
    case $(newest status) in failed | cancelled) fail "the quick run: $(newest status_cause)" ;; esac
    [ "$(awk -v a="$began" -v b="$(now)" 'BEGIN { print (b - a > 600) }')" = 0 ] || fail "the quick run takes too long"
    sleep 2
done
echo "quick run: trained and evaluated after $(since "$began")"
run=$(newest id)
etrm run show "$run"
api "runs/$run/series?names=accuracy/token&max_points=1000" | python3 -c 'import json, sys
points = json.load(sys.stdin)["series"]["accuracy/token"]["value"]
print(f"train token accuracy: first {points[0]:.3f}, last {points[-1]:.3f}")'
stop

start second
[ "$(newest status)" = finished ] || fail "the data of the first start is gone"
stop
