"""How calls and the sweep grow: with the parts of a call, those that are there already, and the uploads that are held."""

import itertools
import json
import re
import sqlite3
import statistics
import subprocess
import time
from pathlib import Path

from lib import stores
from lib.gateway import Gateway
from lib.s3 import S3

TITLE = "Growth"
ABOUT = """
Milliseconds of sign, report, status and complete by one client, one call after the other, at a gateway on SQLite before the embedded
store, and of the gateway's CPU: against the parts of the call, against the parts that the upload has received already, and against
the uploads that the database holds. Those are copied inside SQLite from one that the API has opened, so that 100,000 of them take
seconds. A complete is of an upload of three parts, or of as many as it touches. The sweep is `partgate sweep`, a process that starts,
takes back 1,000 uploads that have expired (or none), and ends. The goal is that calls cost the same whatever is held: CPU at the most
uploads over that at the fewest, and over ten times that of a tenth for parts. Medians.
"""

PAGE = 1_000
CALLS = ("sign", "report", "status", "complete")

COPY = """
WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :first + :count)
INSERT INTO uploads SELECT * FROM (SELECT {columns} FROM uploads, numbers WHERE uploads.id = :template)
"""


def run(bench):
    held = [100, 1_000] if bench.quick else [100, 1_000, 10_000, 100_000]
    touched = [1, 10, 100] if bench.quick else [1, 10, 100, 1_000]
    received = [0, 1_000] if bench.quick else [0, 100, 1_000, 3_000, 10_000]
    few_rounds, many_rounds = (5, 15) if bench.quick else (15, 60)
    rows, plots = [], []
    with Scene(bench) as scene:
        by_touched = {size: scene.calls(touched=size, rounds=few_rounds) for size in touched}
        by_received = {size: scene.calls(received=size, rounds=many_rounds, only=CALLS[:3]) for size in received}
        by_held, sweeps = {}, {}
        for size in held:
            bench.log(f"{size:,} uploads")
            scene.hold(size)
            by_held[size] = scene.calls(rounds=many_rounds)
            sweeps[size] = scene.sweeps()
    for what, measured in (("parts of the call", by_touched), ("parts received before", by_received), ("uploads held", by_held)):
        rows += [{"name": f"{size:,} {what}", "values": values, "note": ""} for size, values in measured.items()]
        plots.append(plot(what, measured))
    rows += [{"name": f"{size:,} uploads held", "values": values, "note": "the sweep"} for size, values in sweeps.items()]
    plots.append(plot("uploads held", sweeps, "growth-sweep.svg", "The sweep, and"))
    goals = [beside(f"growth-{call}", call, by_held, "uploads held", 1.25) for call in CALLS]
    goals += [beside(f"growth-received-{call}", call, by_received, "parts received before", 1.5) for call in CALLS[:3]]
    goals += [linear(call, by_touched) for call in ("sign", "report", "complete")]
    columns = [{"key": key, "title": key, "unit": "ms"} for call in CALLS for key in (call, f"{call} CPU")]
    columns += [{"key": "none due", "title": "sweep, none due", "unit": "ms"}, {"key": "due", "title": "sweep, 1,000 due", "unit": "ms"}]
    return {"columns": columns, "rows": rows, "goals": goals, "plots": plots}


class Scene:
    """A gateway whose database this process writes too."""

    def __init__(self, bench):
        self.bench = bench
        self.store = stores.embedded(bench, "--min-part-size", "1")
        # Nobody else sweeps while the sweep is measured, or while uploads are due.
        self.gateway = Gateway(bench, self.store, settings={"storage.min_part_size": "1", "sweep.interval": "10h"})
        self.database = self.gateway.database.removeprefix("sqlite://")
        self.settings = bench.folder("settings") / "partgate.toml"
        self.settings.write_text(
            f'database = "{self.gateway.database}"\n[storage]\nendpoint = "{self.store.endpoint}"\nbucket = "{self.store.bucket}"\n'
            f'access_key_id = "{self.store.access_key_id}"\nsecret_access_key = "{self.store.secret_access_key}"\n')
        self.template = self.open(3)["upload_id"]
        self.held, self.swept = 0, itertools.count(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gateway.stop()
        self.store.stop()

    def open(self, parts):
        body = {"filename": "file.bin", "size": parts, "part_size": 1, "sign": 1}
        return self.gateway.call("POST", "/upload/init", body)

    def calls(self, *, rounds, touched=1, received=0, only=CALLS):
        """Median milliseconds of each call, and of its CPU. Each complete has an upload of its own."""
        upload = self.open(10_000)["upload_id"]
        self.receive(upload, received)
        numbers = list(range(1, touched + 1))
        stored = [{"number": number, "etag": '"0123456789abcdef0123456789abcdef"'} for number in numbers]
        calls = {
            "sign": lambda: ("POST", f"/upload/{upload}/sign", {"parts": numbers}),
            "report": lambda: ("POST", f"/upload/{upload}/parts", {"stored": stored}),
            "status": lambda: ("GET", f"/upload/{upload}/status", None),
            "complete": lambda: ("POST", f"/upload/{self.whole(max(touched, 3))}/complete", {}),
        }
        rounds = {call: rounds if call != "complete" else min(rounds, 3000 // max(touched, 3), 9) for call in only}
        found = {}
        for call in only:
            found[call], found[f"{call} CPU"] = medians(self.gateway, calls[call], rounds[call])
        return found

    def whole(self, parts):
        """An upload whose parts are all in storage and reported."""
        made = self.open(parts)
        s3_upload_id = made["parts"][0]["url"].partition("uploadId=")[2].partition("&")[0]
        client = S3(self.store)
        etags = [client.upload_part(made["key"], s3_upload_id, number, b"x") for number in range(1, parts + 1)]
        stored = [{"number": number, "etag": etag} for number, etag in enumerate(etags, 1)]
        for first in range(0, parts, PAGE):
            self.gateway.call("POST", f"/upload/{made['upload_id']}/parts", {"stored": stored[first:first + PAGE]})
        return made["upload_id"]

    def receive(self, upload, count):
        """The last parts of 10,000, by the API: how they are remembered is the gateway's own business."""
        numbers = range(10_000 - count + 1, 10_001)
        stored = [{"number": number, "etag": f'"{number:032x}"'} for number in numbers]
        for first in range(0, count, PAGE):
            self.gateway.call("POST", f"/upload/{upload}/parts", {"stored": stored[first:first + PAGE]})

    def hold(self, count):
        self.copies(self.held + 1, count - self.held, due=False)
        self.held = count

    def copies(self, first, count, due):
        """Copies the template with new ids, multipart uploads that storage does not know, and its moment of sweep."""
        changed = {
            "id": "printf('%08x-0000-7000-8000-000000000000', n)",
            "object_key": "printf('%08x-0000-7000-8000-000000000000/file.bin', n)",
            "s3_upload_id": "printf('unknown-%d', n)",
            "idempotency_key": "NULL",
            "sweep_at": "1" if due else "sweep_at",
            "expires_at": "1" if due else "expires_at",
        }
        with sqlite3.connect(self.database, timeout=60) as connection:
            columns = [row[1] for row in connection.execute("PRAGMA table_info(uploads)")]
            selected = ", ".join(changed.get(column, column) for column in columns)
            values = {"first": first, "count": count, "template": self.template}
            connection.execute(COPY.format(columns=selected), values)

    def sweeps(self):
        """Milliseconds of a sweep that finds nothing due, and of one that finds 1,000 uploads."""
        idle, swept = self.sweep()
        if swept:
            raise RuntimeError(f"{swept} uploads were due")
        due = 100 if self.bench.quick else 1_000
        # Far above the ids of what is held.
        self.copies(next(self.swept) * 1_000_000, due, due=True)
        busy, swept = self.sweep()
        if swept != due:
            raise RuntimeError(f"{swept} of {due} uploads were swept")
        return {"none due": idle, "due": busy}

    def sweep(self):
        started = time.monotonic()
        done = subprocess.run([self.bench.partgate, "sweep", "--json", "--config", self.settings], capture_output=True,
                              text=True, check=True)
        return 1e3 * (time.monotonic() - started), len(json.loads(done.stdout)["actions"])


def medians(gateway, prepare, rounds):
    """Milliseconds, and milliseconds of the gateway's CPU."""
    took = []
    # The first one fills caches.
    for _ in range(rounds + 1):
        call = prepare()
        before, started = cpu_nanoseconds(gateway.process.pid), time.perf_counter()
        gateway.call(*call)
        took.append((1e3 * (time.perf_counter() - started), 1e-6 * (cpu_nanoseconds(gateway.process.pid) - before)))
    return [statistics.median(each) for each in zip(*took[1:])]


def cpu_nanoseconds(pid):
    """What its threads have computed: a call takes less than a tick, which is what stat(5) counts in."""
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def plot(what, measured, file=None, title="Calls, and"):
    names = [name for name in next(iter(measured.values())) if not name.endswith("CPU")]
    return {
        "file": file or f"growth-{re.sub('[^a-z]+', '-', what)}.svg", "title": f"{title} {what}",
        # A logarithmic axis has no zero.
        "x": {"label": what, "log": True}, "y": {"label": "ms", "log": True},
        "series": [{"name": name, "points": [[max(size, 1), values[name]] for size, values in measured.items()]} for name in names],
    }


def beside(name, call, measured, what, target):
    """The CPU time at the most of something beside that at the least: the clock's depends on who else is at work."""
    least, most = min(measured), max(measured)
    title = f"CPU of {call}, {most:,} {what} beside {least:,}"
    return goal(name, title, measured[most][f"{call} CPU"] / measured[least][f"{call} CPU"], target)


def linear(call, measured):
    """How much more ten times the parts cost than ten times as much. With few parts, what every call costs would hide it."""
    most = max(measured)
    growth = measured[most][f"{call} CPU"] / measured[most // 10][f"{call} CPU"] / 10
    return goal(f"linear-{call}", f"CPU of {call} of {most:,} parts beside ten times that of {most // 10:,}", growth, 1.1)


def goal(name, title, value, target):
    return {"name": name, "title": title, "value": value, "target": target, "better": "lower", "unit": "×", "reason": ""}
