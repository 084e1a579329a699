"""One large file to MinIO, by everyone, through whoever they need for it."""

import os
import time
from statistics import median

from lib import Missing, stores
from lib.s3 import S3
from transfer import page, wire
from transfer.contenders import Aws, Busboy, Companion, Curl, Put, PutAlone, Tus
from transfer.file import random_file

TITLE = "One large file"
ABOUT = """\
A file of random bytes (1 GiB, in the page cache) is sent to one MinIO, in turns, 4 parts of 10 MiB at once where that can be
chosen. `partgate put` goes through `partgate serve` with SQLite and protects every part by CRC-64/NVME; "the same client, no
gateway" is the same program, to which a stand-in answers from memory with URLs that were signed before the clock started.
Seconds are those of the whole program (of the transfer and Complete where the client is no program of its own). Server CPU and
memory are those of the process between client and store: the gateway, Companion, tus or busboy. The page is measured in
headless Chromium by `benches/browser`, six parts at once, beside bare XHRs with URLs signed beforehand. Every object is
checked by its size, in the first round by its SHA-256, and removed. After the rounds of everyone, `put` and the same client
without a gateway take twelve more turns by themselves, of which the goal's ratio is: the disk is not equally fast at all times."""

# Turns of put and the same client alone, after everyone's.
PAIRS = 12

COLUMNS = [
    {"key": "speed", "title": "speed", "unit": "MiB/s"},
    {"key": "seconds", "title": "time", "unit": "s"},
    {"key": "server_cpu", "title": "server CPU a GiB", "unit": "s"},
    {"key": "server_peak", "title": "server's peak memory", "unit": "MiB"},
    {"key": "client_cpu", "title": "client CPU a GiB", "unit": "s"},
]
# What the issue measured of the peers, by the gateway's goal of 0.02 s: slug, title, contender, goal.
PEERS = [
    ("transfer-cpu-companion", "server CPU beside Companion's wire", Companion, 46),
    ("transfer-cpu-tus", "server CPU beside @tus/server", Tus, 370),
    ("transfer-cpu-busboy", "server CPU beside busboy", Busboy, 285),
]


def run(bench):
    subject = random_file(bench, 256 if bench.quick else 1024)
    with stores.minio(bench) as store:
        contenders = start(bench, store, [Put, PutAlone] if bench.quick else [Put, PutAlone, Curl, Aws, Companion, Tus, Busboy])
        try:
            runs = in_turns(bench, store, subject, contenders, rounds=1 if bench.quick else 3)
            pairs = in_turns(bench, store, subject, contenders[:2], rounds=3 if bench.quick else PAIRS)
            for name, more in pairs.items():
                runs[name] += more
            rows = [row(subject, contender, runs[contender.name]) for contender in contenders]
        finally:
            for contender in contenders:
                contender.stop()
    goals = goals_of(runs, pairs)
    if bench.quick:
        # What an upload costs whatever its size weighs four times as much in a quarter of the file.
        goals = [goal for goal in goals if goal["name"] == "transfer-put"]
    else:
        try:
            page_rows, page_goal = page.measure(bench, subject.size)
            rows += page_rows
            goals.insert(1, page_goal)
        except Missing as missing:
            bench.log(f"without the page: {missing}")
    return {"columns": COLUMNS, "rows": rows, "goals": goals, "plots": plots(rows)}


def start(bench, store, kinds):
    started = []
    for kind in kinds:
        try:
            started.append(kind(bench, store))
        except Missing as missing:
            bench.log(f"without {kind.name}: {missing}")
    return started


def in_turns(bench, store, subject, contenders, rounds):
    runs = {contender.name: [] for contender in contenders}
    for index in range(rounds):
        # The other way round every second time, so that nobody always comes after the same one.
        for contender in contenders[::-1] if index % 2 else contenders:
            # What others have written is not to be waited for.
            os.sync()
            before = cpu_seconds(contender.server)
            sent = contender.upload(subject, f"{index}/film.mov")
            server_cpu = cpu_seconds(contender.server) - before
            check(store, sent.key, subject, whole=index == 0)
            runs[contender.name].append({
                "seconds": sent.seconds, "client_cpu": sent.client_cpu_seconds / subject.gib,
                "server_cpu": server_cpu / subject.gib,
            })
            bench.log(f"{contender.name}: {sent.seconds:.2f} s, client {sent.client_cpu_seconds:.2f} s, server {server_cpu:.3f} s")
    return runs


def check(store, key, subject, whole):
    """What arrived is the file; it is removed."""
    s3 = S3(store)
    _, headers, _ = s3.call("HEAD", key)
    if int(headers["Content-Length"]) != subject.size:
        raise RuntimeError(f"{key} has {headers['Content-Length']} bytes instead of {subject.size}")
    if whole and wire.sha256_of_object(store, key) != subject.sha256:
        raise RuntimeError(f"{key} is not the file")
    s3.delete(key)


def cpu_seconds(process):
    """Finer than the ticks of /proc, of which the gateway needs two: the clock of one process, as clock_getcpuclockid(3) names it."""
    return time.clock_gettime((~process.pid << 3) | 2) if process else 0.0


def row(subject, contender, runs):
    values = {key: median(run[key] for run in runs) for key in runs[0]}
    if not contender.server:
        values["server_cpu"] = None
    peak = contender.server.peak_mib() if contender.server else None
    return {"name": contender.name, "values": {**values, "speed": subject.mib / values["seconds"], "server_peak": peak},
            "note": contender.note}


def goals_of(runs, pairs):
    alone, ours = (median(run["seconds"] for run in pairs[name]) for name in (PutAlone.name, Put.name))
    cpu = median(run["server_cpu"] for run in runs[Put.name])
    goals = [
        {"name": "transfer-put", "title": "put beside the same client without a gateway", "target": 0.98, "better": "higher",
         "unit": "×", "value": alone / ours, "reason": ""},
        {"name": "transfer-gateway-cpu", "title": "gateway CPU a GiB", "target": 0.02, "better": "lower", "unit": "s",
         "value": cpu, "reason": ""},
    ]
    for slug, title, peer, target in PEERS:
        if peer.name in runs:
            theirs = median(run["server_cpu"] for run in runs[peer.name])
            goals.append({"name": slug, "title": title, "target": target, "better": "higher", "unit": "×",
                          "value": theirs / cpu, "reason": ""})
    return goals


def plots(rows):
    def bars(key):
        return [{"name": row["name"], "value": row["values"][key]} for row in rows if row["values"].get(key)]

    return [
        {"file": "transfer-speed.svg", "title": "One large file to MinIO, MiB/s", "bars": bars("speed"), "unit": "MiB/s", "log": False},
        {"file": "transfer-cpu.svg", "title": "CPU of the server between client and store, s a GiB", "bars": bars("server_cpu"),
         "unit": "s", "log": True},
    ]
