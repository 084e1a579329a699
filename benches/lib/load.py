"""Load on a server: `wrk` as fast as it goes, for a bounded time."""

import re
import shutil
import subprocess
from dataclasses import dataclass

from lib import Missing

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3}


@dataclass
class Load:
    calls: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failures: int


def wrk(bench, url, script, *, connections=16, seconds=5):
    """`script` is wrk's Lua. One thread sends: it needs little, and the server needs the rest of the machine."""
    if not shutil.which("wrk"):
        install("wrk")
    file = bench.folder("wrk") / "script.lua"
    file.write_text(script)
    argv = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--latency",
            "--timeout", "30s", "--script", str(file), url]
    text = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    calls, duration, unit = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)", text).groups()
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    failures = int(refused.group(1)) if refused else 0
    failures += sum(map(int, errors.groups())) if errors else 0
    return Load(int(calls), float(duration) * UNITS[unit] / 1e3, latency(text, 50), latency(text, 99), failures)


def latency(text, percentile):
    value, unit = re.search(rf"{percentile}%\s+([\d.]+)(us|ms|s|m)", text).groups()
    return float(value) * UNITS[unit]


def install(package):
    """A Debian package."""
    for argv in (["apt-get", "install", "-y", package], ["apt-get", "update"], ["apt-get", "install", "-y", package]):
        if not shutil.which("apt-get"):
            break
        if subprocess.run(argv, capture_output=True).returncode == 0 and shutil.which(package):
            return
    raise Missing(f"there is no {package}: install it with the system's packages")
