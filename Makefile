# Everything a developer runs. CI runs the same commands: see .ci/run.

.PHONY: build dev page test test-with-auth test-fuzz test-infra test-web tools soak lint openapi conformance bench bench-quick bench-browser

build:
	cargo build --release

dev:
	cargo run --release -- dev

# Builds the upload page that the binary carries anew, after a change of web/client or web/page; commit what it makes.
page: tools
	npm run --silent build --prefix web

# All tests: unit and property tests, the API and command suites on the embedded store, the store's conformance; then
# the API suite again with gateways that want to know who calls, and on real stores, with the same binaries; then calls of
# chance; then what infra/ and docs/ tell others to run; then the browser. What a machine cannot provide prints SKIP.
test: tools
	cargo test --workspace
	$(MAKE) --no-print-directory test-with-auth test-on-minio test-on-seaweedfs test-fuzz test-infra test-web

# The API suite on one store (docs/stores.md): make test-on-minio [ONLY=api::streams]. Left out is what has a store of
# its own (crash, commands, disk) or is about the gateway's own time (slow, faults). Tests wait for the server more than they compute.
test-on-%:
	TEST_STORE=$* cargo test --workspace --test it -- --quiet --test-threads=6 $(or $(ONLY),access:: api:: doctor:: operate:: robust::) \
		--skip robust::commands --skip robust::crash --skip robust::disk --skip robust::faults --skip robust::slow

# The API suite with an API key: make test-with-auth [ONLY=api::streams]. The commands and the gateways that are killed
# (commands, crash) are processes with settings of their own; what they do does not depend on who calls.
test-with-auth:
	TEST_AUTH=required cargo test --workspace --test it -- --quiet --test-threads=6 $(or $(ONLY),api:: robust::) \
		--skip robust::commands --skip robust::crash

# Calls of chance, by openapi.json, from every kind of caller: make test-fuzz [MODES="key token"] [EXAMPLES=…] [SEED=…]
# The same seed each time, so that it fails for a change and not by chance; other seeds are for who looks for more.
test-fuzz:
	cargo build --quiet
	python3 -B tests/schemathesis/run.py --seed $(or $(SEED),99) $(if $(EXAMPLES),--examples $(EXAMPLES)) $(MODES)

# The files of infra/, docker-compose.yml and what documents say of them, by the tools that read them and by gateways
# that start with what comes out: make test-infra [ONLY="helm compose"], where tests/infra/test_helm.py is helm.
test-infra:
	cargo build --quiet
	python3 -B tests/infra/run.py $(ONLY)

# What runs in browsers: types, unit tests, that committed files are what their sources make, and Chromium against the
# gateway that cargo has built, on both stores. ONLY=pattern chooses tests.
test-web:
	@bash web/e2e/all.sh

# What the tests run against, kept in ~/.cache/partgate-tools.
tools:
	@bash scripts/tools.sh

# Gateways killed and storage failing at random, so many rounds of it: make soak N=100 [SEED=…]
N ?= 10
soak:
	PARTGATE_SOAK=$(N) $(if $(SEED),PARTGATE_SEED=$(SEED)) cargo test -p partgate --test it chaos::

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

# Writes the API's description anew after a change of handlers or wire types; a test holds the two together.
openapi:
	cargo run --quiet -- openapi > openapi.json

# Any S3 endpoint: make conformance ENDPOINT=http://127.0.0.1:9000 ACCESS_KEY_ID=… SECRET_ACCESS_KEY=… [REGION=…] [BUCKET=…]
conformance:
	@test -n "$(ENDPOINT)" || { echo "say which: make conformance ENDPOINT=http://… ACCESS_KEY_ID=… SECRET_ACCESS_KEY=…"; exit 2; }
	CONFORMANCE_ENDPOINT="$(ENDPOINT)" CONFORMANCE_ACCESS_KEY_ID="$(ACCESS_KEY_ID)" \
	CONFORMANCE_SECRET_ACCESS_KEY="$(SECRET_ACCESS_KEY)" CONFORMANCE_REGION="$(or $(REGION),us-east-1)" \
	CONFORMANCE_BUCKET="$(BUCKET)" cargo test -p partgate-devstore --test conformance

# partgate beside what a user would pick instead, in one run: docs/benchmarks.md, its plots and docs/benchmarks.json.
# make bench [ONLY="signer growth"]. No time is asserted anywhere.
bench: tools
	benches/run.py $(ONLY)

# In under three minutes: today's ratios beside those of docs/benchmarks.json.
bench-quick:
	benches/run.py --quick $(ONLY)

# The same from a browser, beside Uppy, tus-js-client, better-upload and EvaporateJS; see benches/browser/README.md.
bench-browser: tools
	cargo build --release
	npm ci --prefix benches/browser --ignore-scripts --no-audit --no-fund
	node benches/browser/run.mjs
