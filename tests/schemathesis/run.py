"""Runs schemathesis over openapi.json against a live gateway, once for every kind of caller.

    run.py [--partgate FILE] [--seed N] [--examples N] [MODE…]

It needs schemathesis of scripts/tools.sh; without it the run is skipped, or fails with REQUIRE_ALL=1.
"""

import argparse
import base64
import hmac
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import access
import servers

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
EXAMPLES = 25

SETTINGS = """
listen = "127.0.0.1:0"
database = "sqlite://{folder}/gateway.db"
[log]
format = "json"
[storage]
endpoint = "{store}"
bucket = "uploads"
access_key_id = "partgate"
secret_access_key = "partgate-dev-secret"
[limits]
per_address = "off"
per_caller = "off"
"""
ISSUER_SECRET = "an issuer's secret for a run of calls of chance"
REQUIRED = SETTINGS + f"""
[auth]
mode = "required"
token_secrets = ["k1:a secret for tokens of a run of calls of chance"]
[auth.issuers.app]
secret = "{ISSUER_SECRET}"
audience = "partgate"
[tenants.acme]
"""


def main():
    arguments = parse()
    schemathesis = find_schemathesis()
    print(f"fuzz: seed {arguments.seed}", flush=True)
    failed = []
    with tempfile.TemporaryDirectory(prefix="partgate-fuzz-") as folder:
        folder = Path(folder)
        store = servers.store(arguments.partgate, folder)
        try:
            for mode in arguments.modes:
                if not run(mode, arguments, schemathesis, folder, store.url):
                    failed.append(mode)
        finally:
            store.stop()
    if failed:
        sys.exit(f"fuzz: failed for {', '.join(failed)}; again: make test-fuzz SEED={arguments.seed}")


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--partgate", default=REPOSITORY / "target/debug/partgate")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--examples", type=int, default=EXAMPLES)
    parser.add_argument("modes", nargs="*", default=list(access.MODES), metavar="MODE")
    return parser.parse_args()


def find_schemathesis():
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    tools = os.environ.get("TEST_TOOLS") or Path(cache, "partgate-tools")
    program = Path(tools, "bin", "schemathesis")
    if program.exists():
        return program
    if os.environ.get("REQUIRE_ALL") == "1":
        sys.exit("fuzz: there is no schemathesis; scripts/tools.sh installs it")
    print("SKIP fuzz: there is no schemathesis; scripts/tools.sh installs it", file=sys.stderr)
    sys.exit(0)


def run(mode, arguments, schemathesis, folder, store_url):
    """Whether all is well with one kind of caller."""
    home = folder / mode
    home.mkdir()
    gateway = servers.Gateway(arguments.partgate, home, store_url, SETTINGS if mode == "open" else REQUIRED)
    try:
        if not gateway.is_ready():
            sys.exit("fuzz: the gateway is not ready")
        return fuzz(mode, arguments, schemathesis, gateway)
    finally:
        gateway.stop()


def credentials(mode, gateway):
    """What the caller shows, and what opens the uploads that their calls are about; each may be nothing."""
    if mode == "open":
        return "", ""
    key = gateway.key("--tenant", "acme")
    if mode == "key":
        return key, key
    if mode == "admin":
        return gateway.key("--admin"), key
    if mode == "grant":
        granted = grant()
        return granted, granted
    # An upload's token is in the answer of its init.
    return "", key


def grant():
    """What acme's backend signs for somebody's browser (https://www.rfc-editor.org/rfc/rfc7515#section-3.1)."""
    claims = {"tenant": "acme", "sub": "somebody", "aud": "partgate", "exp": int(time.time()) + 3600,
              "roles": ["upload", "read"], "key_prefix": "somebody/"}
    signed = b".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return b".".join([signed, encode(hmac.digest(ISSUER_SECRET.encode(), signed, "sha256"))]).decode()


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def fuzz(mode, arguments, schemathesis, gateway):
    caller, opener = credentials(mode, gateway)
    command = [
        schemathesis, "--config-file", HERE / "schemathesis.toml", "run", REPOSITORY / "openapi.json",
        "--url", gateway.url, "--seed", str(arguments.seed), "--max-examples", str(arguments.examples),
    ]
    environment = {
        **os.environ,
        "FUZZ_MODE": mode, "FUZZ_URL": gateway.url, "FUZZ_SEED": str(arguments.seed),
        "FUZZ_CREDENTIAL": caller, "FUZZ_OPENER": opener,
        "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1",
    }
    result = subprocess.run(command, env=environment, cwd=gateway.config.parent, stdout=subprocess.PIPE, text=True)
    summary = [line for line in result.stdout.splitlines() if "generated" in line]
    print(f"fuzz: {mode}: {' '.join(summary).strip()}", flush=True)
    if result.returncode != 0:
        print(result.stdout)
    return result.returncode == 0


if __name__ == "__main__":
    main()
