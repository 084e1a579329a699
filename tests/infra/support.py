"""What the tests of several areas need: tools, the command under test, servers."""

import functools
import importlib
import json
import os
import shutil
import subprocess
import sys
import unittest
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
INFRA = REPOSITORY / "infra"
SECONDS = 120

sys.path.insert(0, str(REPOSITORY / "tests" / "schemathesis"))
# The embedded store and a gateway as processes that end with this one.
servers = importlib.import_module("servers")


def find(tool):
    """A tool of scripts/tools.sh, or else of the path; None where there is none."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(os.environ.get("TEST_TOOLS") or Path(cache) / "partgate-tools") / "bin"
    found = shutil.which(tool, path=str(folder)) or shutil.which(tool)
    return Path(found) if found else None


def need(tool, how="scripts/tools.sh installs it"):
    """The tool; without it the test is skipped, or fails where everything is required."""
    return find(tool) or lacking(f"there is no {tool}; {how}")


def need_module(name):
    """A Python module of tests/infra/requirements.txt."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return lacking(f"there is no Python module {name}; scripts/tools.sh installs it")


def lacking(reason):
    if os.environ.get("REQUIRE_ALL") == "1":
        raise AssertionError(reason)
    raise unittest.SkipTest(reason)


@functools.cache
def partgate():
    """The command under test."""
    command = Path(os.environ.get("TEST_PARTGATE") or REPOSITORY / "target" / "debug" / "partgate")
    if not command.exists():
        raise AssertionError(f"there is no {command}: cargo build")
    return command


def run(*command, settings=None, folder=None):
    """The standard output of a command that ends well. It sees settings of partgate only where given."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PARTGATE_")}
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=environment | (settings or {}),
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )
    if done.returncode:
        words = " ".join(str(word) for word in command)
        raise AssertionError(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def bucket_plan(settings, form="json"):
    """What `partgate bucket plan` wants of these settings (environment variables), without asking storage."""
    answer = run(partgate(), "bucket", "plan", "--offline", "--format", form, settings=settings)
    return json.loads(answer) if form == "json" else answer


# What a gateway needs beside its settings, with the embedded store of `partgate dev`.
SECRETS = {
    "PARTGATE_AUTH__TOKEN_SECRETS": "k1:a secret for tokens in tests of infrastructure",
    "PARTGATE_STORAGE__ACCESS_KEY_ID": "partgate",
    "PARTGATE_STORAGE__SECRET_ACCESS_KEY": "partgate-dev-secret",
}


class Gateway(servers.Server):
    """`partgate serve` with these settings (environment variables), listening on a free port of this machine."""

    def __init__(self, settings, folder):
        here = {"PARTGATE_LISTEN": "127.0.0.1:0", "PARTGATE_OPERATIONS__LISTEN": "127.0.0.1:0"}
        self.settings = settings | here | {"PARTGATE_LOG__FORMAT": "json"}
        variables = [f"{name}={value}" for name, value in self.settings.items()]
        ready = r'(?m)^(?=.*partgate is ready).*"address":"([^"]+)"'
        super().__init__(["env", *variables, str(partgate()), "serve"], ready, Path(folder) / "gateway.log")

    def check(self, folder):
        """It is ready, and takes a file from who has a key; says what the upload became."""
        with urllib.request.urlopen(self.url + "/readyz", timeout=SECONDS) as answer:
            assert answer.status == 200
        key = run(partgate(), "key", "create", "--tenant", "default", settings=self.settings).strip()
        file = Path(folder) / "hello.txt"
        file.write_text("hello")
        uploaded = run(partgate(), "put", file, "--json", settings={"PARTGATE_URL": self.url, "PARTGATE_TOKEN": key})
        return json.loads(uploaded.splitlines()[-1])
