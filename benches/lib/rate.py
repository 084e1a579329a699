"""Load at a fixed rate: calls are sent when they are due, whether or not the ones before were answered, so that the
times are those of callers who know nothing of each other. `wrk` sends only after an answer, as fast as it gets them.
"""

import base64
import json
import os
import shutil
import subprocess
from dataclasses import dataclass

from lib import Missing
from lib.stores import TOOLS

VERSION = "v12.13.0"


@dataclass
class Rate:
    calls: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    failures: int


def vegeta(bench, requests, *, calls_per_second, seconds, connections=16):
    """`requests` are sent in turns: (method, URL, body as JSON text or None). Late answers are waited for."""
    folder = bench.folder("vegeta")
    (folder / "targets").write_text("".join(target(*request) for request in requests))
    argv = [program(), "attack", "-format=json", f"-targets={folder / 'targets'}", f"-rate={calls_per_second}",
            f"-duration={seconds}s", f"-workers={connections}", f"-max-workers={connections}",
            f"-connections={connections}", f"-output={folder / 'results'}", "-timeout=60s"]
    subprocess.run(argv, check=True, capture_output=True)
    report = subprocess.run([program(), "report", "-type=json", folder / "results"], check=True, capture_output=True)
    found = json.loads(report.stdout)
    milliseconds = {name: found["latencies"][name] / 1e6 for name in ("50th", "99th", "max")}
    failures = round(found["requests"] * (1 - found["success"]))
    return Rate(found["requests"], milliseconds["50th"], milliseconds["99th"], milliseconds["max"], failures)


def target(method, url, body):
    described = {"method": method, "url": url}
    if body is not None:
        described["header"] = {"Content-Type": ["application/json"]}
        described["body"] = base64.b64encode(body.encode()).decode()
    return json.dumps(described) + "\n"


def program():
    """vegeta, built by Go once."""
    folder = TOOLS / f"vegeta-{VERSION}"
    found = folder / "vegeta"
    if not found.exists():
        if not shutil.which("go"):
            raise Missing("there is no vegeta, which sends at a fixed rate; building it needs Go, https://go.dev/dl")
        argv = ["go", "install", f"github.com/tsenart/vegeta/v12@{VERSION}"]
        done = subprocess.run(argv, env={**os.environ, "GOBIN": str(folder)}, capture_output=True, text=True)
        if done.returncode:
            raise Missing(f"vegeta cannot be built: {done.stderr.strip()[-300:]}")
    return found
