#!/usr/bin/env bash
# Everything about web/ (make test-web): types, that committed files are what their sources make, unit tests, and the
# browser on each store.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v node >/dev/null || [[ ! -d node_modules ]]; then
  echo "SKIP web: there is no Node, or its packages are missing; scripts/tools.sh installs them" >&2
  [[ ${REQUIRE_ALL:-} != 1 ]]
  exit
fi

before=$(mktemp -d)
trap 'rm -rf -- "$before"' EXIT
cp -r page/dist client/src/openapi.ts "$before"
npm run --silent build
npm run --silent check
npm run --silent types >/dev/null
diff --recursive --brief "$before/dist" page/dist ||
  { echo "web/page/dist is not what its sources make: run npm run build in web/ and commit it" >&2; exit 1; }
diff --brief "$before/openapi.ts" client/src/openapi.ts ||
  { echo "web/client/src/openapi.ts is not what openapi.json makes: run npm run types in web/ and commit it" >&2; exit 1; }
npm run --silent sizes
npm run --silent unit
npm run --silent e2e
# What a store can make different; the rest is the gateway's and the browser's own.
TEST_STORE=minio npm run --silent e2e -- library/transfer library/faults library/resume page/page
# Who calls makes no difference to how uploads go.
TEST_AUTH=required npm run --silent e2e -- harness library/transfer library/node library/resume page/page
