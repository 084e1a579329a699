"""What a team would run instead of partgate: servers of Node, and boto3. Each program's own comment says what it does."""

import filecmp
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from lib import Missing
from lib.net import Connection, free_ports
from lib.process import Process
from lib.stores import TOOLS

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
BOTO3 = re.search(r"^boto3==(.*)", REQUIREMENTS.read_text(), re.MULTILINE).group(1)


class Peer:
    """One of `*.mjs` before a store, on a free port."""

    def __init__(self, bench, program, store):
        install_packages()
        port, = free_ports(1)
        argv = [shutil.which("node"), HERE / f"{program}.mjs", port]
        self.process = Process(argv, env=environment(store), cwd=HERE, log=bench.folder(program) / "log")
        self.url = f"http://127.0.0.1:{port}"
        self.process.wait_until(lambda: f"listening on {self.url}" in self.process.said())
        self._connection = Connection(self.url)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def call(self, method, path, body=None):
        return self._connection.call(method, path, body)

    def stop(self):
        self.process.stop()


def versions(*packages):
    """What is run, in words: of npm as package.json pins them, or boto3."""
    pinned = json.loads((HERE / "package.json").read_text())["dependencies"]
    pinned["boto3"] = BOTO3
    return ", ".join(f"{package} {pinned[package]}" for package in packages)


def environment(store):
    """As `environment.mjs` and boto3 read it."""
    return {
        "NODE_ENV": "production", "NODE_NO_WARNINGS": "1", "S3_ENDPOINT": store.endpoint, "S3_BUCKET": store.bucket,
        "AWS_REGION": store.region, "AWS_DEFAULT_REGION": store.region, "AWS_ACCESS_KEY_ID": store.access_key_id,
        "AWS_SECRET_ACCESS_KEY": store.secret_access_key, "AWS_EC2_METADATA_DISABLED": "true",
    }


def install_packages():
    """What package-lock.json names, once."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise Missing("there is no node with npm, which the servers beside partgate run on: https://nodejs.org")
    once(HERE / "package-lock.json", HERE / "node_modules" / ".installed", [
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", HERE]])


def boto3_python():
    """A Python that has boto3."""
    folder = TOOLS / f"boto3-{BOTO3}"
    python = folder / "bin" / "python"
    once(REQUIREMENTS, folder / ".installed", [
        [sys.executable, "-m", "venv", "--clear", folder],
        [python, "-m", "pip", "install", "--no-deps", "--requirement", REQUIREMENTS]])
    return python


def once(wanted, mark, commands):
    """Runs an installation unless its mark says that exactly what is wanted is there."""
    if mark.exists() and filecmp.cmp(wanted, mark, shallow=False):
        return
    for argv in commands:
        done = subprocess.run([str(each) for each in argv], capture_output=True, text=True)
        if done.returncode:
            raise Missing(f"{wanted.name} of benches/peers cannot be installed: {done.stderr.strip()[-300:]}")
    shutil.copyfile(wanted, mark)
