"""All URLs of a large file, one after the other."""

import http.client
import json
import os
import subprocess
import time
import urllib.parse
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from lib import stores
from peers import HERE, boto3_python, environment, versions
from peers.contenders import PARTS, Companion, Express, Partgate, calls, put

TITLE = "All URLs of a 50 GB file"
ABOUT = f"""
One client asks for the URLs of all {PARTS:,} parts of a file, call after call on one connection, 1,000 a call; of
Companion also one by one, which is what its route for a single part gives. *Wall* is from the first call to the last
byte of the last answer; *CPU* is user and system time of the server, without the client. boto3 has no server: a
script signs in a loop, and the start of Python and the making of its client are not counted. In turns, medians;
partgate's file is signed for many times in each turn, because the system counts CPU in steps of 10 ms. partgate's
answers have every part's offset, length and headers too. Before that, a part is sent to the store by a URL of each.
"""

CALL = 1_000
COLUMNS = [
    {"key": "wall", "title": "wall", "unit": "ms"},
    {"key": "cpu", "title": "CPU", "unit": "ms"},
    {"key": "answer", "title": "answers", "unit": "MiB"},
]
WALL_GOAL_MS = 50
CPU_GOAL_MS = 25


@dataclass
class Signing:
    """All URLs once."""

    wall_ms: float
    cpu_ms: float
    answer_mib: float | None


class Server:
    """Signs over HTTP, `size` URLs a call."""

    def __init__(self, contender, *, size=CALL, files=1, note=""):
        """`files`: how many times everything is signed in one turn."""
        self.name, self.note = contender.name, note or contender.note
        self._contender, self._size, self._files = contender, size, files

    def measure(self):
        upload = self._contender.open()
        requests = [self._contender.request(upload, numbers) for numbers in calls(1, PARTS, self._size)]
        before = self._contender.cpu_seconds()
        asked = [ask_all(self._contender.url, requests) for _ in range(self._files)]
        cpu_ms = (self._contender.cpu_seconds() - before) * 1e3 / self._files
        return [Signing(seconds * 1e3, cpu_ms, count / 1024**2) for seconds, count in asked]


class Loop:
    """boto3, in a process of its own."""

    name = "boto3 loop"
    note = f"{versions('boto3')}; no server: whoever runs it holds the credentials"

    def __init__(self, store, contender):
        """`contender` opens the uploads."""
        self._store, self._contender, self._python = store, contender, boto3_python()

    def measure(self):
        upload = self._contender.open()
        argv = [self._python, HERE / "boto3_loop.py", upload["key"], upload["uploadId"], str(PARTS)]
        env = {**os.environ, **environment(self._store)}
        found = json.loads(subprocess.run(argv, env=env, check=True, stdout=subprocess.PIPE).stdout)
        put(found["url"], {})
        return [Signing(found["seconds"] * 1e3, found["cpu_seconds"] * 1e3, None)]


def run(bench):
    with ExitStack() as stack:
        store = stack.enter_context(stores.embedded(bench))
        ways = all_ways(bench, store, stack)
        found = {way: [] for way in ways}
        # Node compiles in the first turn, which is not counted where there is time for more.
        uncounted, counted = (0, 1) if bench.quick else (1, 3)
        for turn in range(uncounted + counted):
            for way in ways:
                signings = way.measure()
                bench.log(f"{way.name}: {signings[0].wall_ms:.1f} ms, {signings[0].cpu_ms:.1f} ms of CPU")
                if turn >= uncounted:
                    found[way] += signings
    rows = [{"name": way.name, "values": values(signings), "note": way.note} for way, signings in found.items()]
    return {"columns": COLUMNS, "rows": rows, "goals": goals(rows), "plots": [plot(rows)]}


def all_ways(bench, store, stack):
    """Who signs, each with a server that has proven its URLs."""
    kinds = [Partgate, Express] if bench.quick else [Partgate, Express, Companion]
    contenders = [stack.enter_context(kind(bench, store)) for kind in kinds]
    for contender in contenders:
        contender.prove()
    ways = [Server(contenders[0], files=20), Server(contenders[1])]
    if bench.quick:
        return ways
    express, companion = contenders[1:]
    return [*ways, Server(companion), Server(companion, size=1, note="one URL a call"), Loop(store, express)]


def ask_all(url, requests):
    """Seconds and bytes of all answers, on one connection."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)
    connection.connect()
    count, started = 0, time.perf_counter()
    for request in requests:
        connection.request(request.method, request.path, request.body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        count += len(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"{request.path} answers {answer.status}")
    seconds = time.perf_counter() - started
    connection.close()
    return seconds, count


def values(signings):
    found = {"wall": median(each.wall_ms for each in signings), "cpu": median(each.cpu_ms for each in signings)}
    if signings[0].answer_mib is not None:
        found["answer"] = signings[0].answer_mib
    return found


def goals(rows):
    ours, title = rows[0]["values"], f"all {PARTS:,} URLs of a 50 GB file"
    wall = {"name": "urls-wall", "title": f"{title}, wall", "value": ours["wall"], "target": WALL_GOAL_MS}
    cpu = {"name": "urls-cpu", "title": f"{title}, CPU", "value": ours["cpu"], "target": CPU_GOAL_MS}
    return [{**goal, "better": "lower", "unit": "ms", "reason": ""} for goal in (wall, cpu)]


def plot(rows):
    ways = [row["name"] + (", one by one" if row["note"].startswith("one") else "") for row in rows]
    bars = [{"name": way, "value": row["values"]["wall"]} for way, row in zip(ways, rows)]
    return {"file": "urls.svg", "title": f"Wall of {PARTS:,} URLs (logarithmic)", "bars": bars, "unit": "ms", "log": True}
