"""From the start of a process to its first answer that it is ready."""

import statistics
import time
import urllib.error
import urllib.request

from lib import stores
from lib.net import free_ports
from lib.process import Process

TITLE = "Start"
ABOUT = """
From the start of the process to the first 200 of its readiness: `partgate dev`, gateway and embedded store in one process, on
a new directory, where it makes two databases, a bucket and a signing key, and on one that is there already; and `minio server`,
until `/minio/health/ready`. Each is asked every two milliseconds. Medians, in turns, with files in the system's cache.
"""


def run(bench):
    rounds = 5 if bench.quick else 15
    contenders = {
        "partgate dev, new directory": lambda: dev(bench, bench.folder("new")),
        "partgate dev, again": restart_of_dev(bench),
        "minio server, new directory": lambda: minio(bench, bench.folder("new")),
    }
    if not bench.quick:
        contenders["minio server, again"] = restart_of_minio(bench)
    started = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, start in contenders.items():
            started[name].append(start())
    rows = []
    for name, each in started.items():
        seconds, cpu = (statistics.median(values) for values in zip(*each))
        slowest = max(seconds for seconds, _ in each)
        rows.append({"name": name, "values": {"ms": 1e3 * seconds, "worst": 1e3 * slowest, "cpu": 1e3 * cpu}, "note": ""})
    new, again = rows[0]["values"]["ms"], rows[1]["values"]["ms"]
    columns = [
        {"key": "ms", "title": "ready after", "unit": "ms"}, {"key": "worst", "title": "slowest", "unit": "ms"},
        {"key": "cpu", "title": "CPU until then", "unit": "ms"},
    ]
    return {"columns": columns, "rows": rows, "goals": [
        goal("start-new", "start of dev on a new directory", new, 300, "ms"),
        goal("start-again", "start of dev on its directory", again, 300, "ms"),
        {**goal("start-beside-minio", "start of dev beside MinIO's, times faster", rows[2]["values"]["ms"] / new, 1, "×"),
         "better": "higher"},
    ]}


def dev(bench, folder):
    gateway, store = free_ports(2)
    argv = [bench.partgate, "dev", "--data", folder / "data", "--listen", f"127.0.0.1:{gateway}", "--store-listen",
            f"127.0.0.1:{store}"]
    return seconds_until(f"http://127.0.0.1:{gateway}/readyz", argv, {}, folder / "log")


def restart_of_dev(bench):
    folder = bench.folder("again")
    dev(bench, folder)
    return lambda: dev(bench, folder)


def minio(bench, folder):
    port, = free_ports(1)
    argv = [stores.tool("minio"), "server", "--quiet", "--address", f"127.0.0.1:{port}", folder / "data"]
    env = {"MINIO_ROOT_USER": "partgate", "MINIO_ROOT_PASSWORD": "partgate-dev-secret", "MINIO_BROWSER": "off"}
    return seconds_until(f"http://127.0.0.1:{port}/minio/health/ready", argv, env, folder / "log")


def restart_of_minio(bench):
    folder = bench.folder("again")
    minio(bench, folder)
    return lambda: minio(bench, folder)


def seconds_until(url, argv, env, log):
    """Seconds until it says that it is ready, and its CPU seconds."""
    started = time.monotonic()
    with Process(argv, env=env, log=log) as process:
        while not is_ready(url):
            if time.monotonic() - started > 60:
                raise RuntimeError(f"not ready after a minute: {process.said()[-4000:]}")
            time.sleep(0.002)
        return time.monotonic() - started, process.cpu_seconds()


def is_ready(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except urllib.error.HTTPError:
        return False
    except OSError:
        return False


def goal(name, title, value, target, unit):
    return {"name": name, "title": title, "value": value, "target": target, "better": "lower", "unit": unit, "reason": ""}
