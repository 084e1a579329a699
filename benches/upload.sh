#!/usr/bin/env bash
# One file to the embedded store, by `partgate put` and by curl on the same kind of presigned URLs, in turn, in one run.
# Prints each run, the medians' ratio, bytes that the gateway carried, and the peak memory of server and client.
#   SIZE_MIB (5120), ROUNDS (3), PART_MIB (10)
# Needs curl and python3. Asserts nothing: machines differ, ratios travel.
set -euo pipefail
cd "$(dirname "$0")/.."
size_mib=${SIZE_MIB:-5120} rounds=${ROUNDS:-3} part_mib=${PART_MIB:-10}

cargo build --release --quiet
partgate=$PWD/target/release/partgate
work=$(mktemp -d)
trap 'kill "$dev" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT

"$partgate" dev --data "$work/data" --listen 127.0.0.1:0 --store-listen 127.0.0.1:0 >"$work/dev.out" 2>"$work/dev.log" &
dev=$!
until grep -q '^Upload with' "$work/dev.out"; do kill -0 "$dev"; sleep 0.05; done
url=$(awk '$1 == "gateway" { print $2 }' "$work/dev.out")

file=$work/file
echo "making $size_mib MiB of random bytes"
head -c "$((size_mib << 20))" /dev/urandom >"$file"
mkdir "$work/parts"
split -b "${part_mib}M" -a 4 -d --numeric-suffixes=1 "$file" "$work/parts/"

peak() { awk '$1 == "VmHWM:" { printf "%.0f MiB", $2 / 1024 }' "/proc/$1/status"; }
seconds() { python3 - "$@" <<'PY'
import resource, subprocess, sys, time
started = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
print(f"{time.monotonic() - started:.2f} {peak}")
PY
}

# All URLs of one upload as a curl configuration.
sign_for_curl() { python3 - "$url" "$file" "$work/parts" "$((part_mib << 20))" <<'PY'
import json, os, sys, urllib.request
url, file, parts, part_size = *sys.argv[1:4], int(sys.argv[4])
def call(path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))
upload = call("/upload/init", {"filename": "curl.bin", "size": os.path.getsize(file), "part_size": part_size})
numbers = range(1, upload["total_parts"] + 1)
signed = [part for start in range(0, len(numbers), 1000)
          for part in call(f"/upload/{upload['upload_id']}/sign", {"parts": list(numbers[start:start + 1000])})["parts"]]
for part in signed:
    print(f'upload-file = "{parts}/{part["number"]:04}"\nurl = "{part["url"]}"\noutput = "/dev/null"')
    print('header = "Expect:"')
    print("next" if part is not signed[-1] else "")
print(upload["upload_id"], file=sys.stderr)
PY
}

put_times=() curl_times=() memory=0
for round in $(seq "$rounds"); do
  read -r time memory < <(seconds "$partgate" put "$file" --to "$url" --part-size "${part_mib}MiB" --quiet)
  put_times+=("$time")
  sign_for_curl >"$work/curl.conf" 2>"$work/id"
  read -r time _ < <(seconds curl --fail --silent --parallel --parallel-max 4 --config "$work/curl.conf")
  curl_times+=("$time")
  curl --fail --silent --request POST "$url/upload/$(cat "$work/id")/complete" >/dev/null
  echo "round $round: put ${put_times[-1]} s, curl ${curl_times[-1]} s"
done

carried=$(curl --silent "$url/metrics" | awk '$1 == "partgate_proxied_bytes_total" { print $2 }')
python3 - "${put_times[*]}" "${curl_times[*]}" "$size_mib" <<'PY'
import statistics, sys
put, curl = (statistics.median(map(float, text.split())) for text in sys.argv[1:3])
size = float(sys.argv[3])
print(f"median: put {put:.2f} s ({size / put:.0f} MiB/s), curl {curl:.2f} s ({size / curl:.0f} MiB/s)")
print(f"throughput of put / curl: {curl / put:.2f}")
PY
echo "file bytes through the gateway: $carried"
echo "peak memory: gateway with embedded store $(peak "$dev"), put $memory MiB"
