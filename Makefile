# Everything a developer runs. CI runs the same commands: see .ci/run.

.PHONY: build dev test soak lint openapi conformance bench

build:
	cargo build --release

dev:
	cargo run --release -- dev

# All tests: unit and property tests, the API and command suites on the embedded store, the store's conformance.
test:
	cargo test --workspace

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

# Peers side by side in one run; prints ratios. Nothing is asserted.
bench:
	bash benches/upload.sh
