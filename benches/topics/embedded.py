"""The store that `partgate dev` brings along, beside stores that are installed."""

import os
from statistics import median

from lib import Missing, stores
from transfer import wire
from transfer.file import random_file

TITLE = "The embedded store"
ABOUT = """\
A file of random bytes is written and read by the same light client (sendfile, no hashing) to the store of `partgate dev`,
to MinIO and to SeaweedFS, in turns: a multipart upload of 10 MiB parts, four at once, over URLs that were signed before,
Complete included; then one GET. The embedded store and MinIO have synced what they have answered (the embedded store:
fsync of each part, its folder and its row; MinIO: fdatasync of each part's file, of no folder); SeaweedFS has not, and is
told for comparison. CPU is that of the server, user and system; all stores compute MD5 for the ETag. What is read is still in
the page cache where the store has put it there. The first round's object is read once more and compared by SHA-256."""

PART_BYTES = 10 << 20
COLUMNS = [
    {"key": "write", "title": "write", "unit": "MiB/s"},
    {"key": "write_cpu", "title": "CPU a GiB written", "unit": "s"},
    {"key": "read", "title": "read", "unit": "MiB/s"},
    {"key": "read_cpu", "title": "CPU a GiB read", "unit": "s"},
    {"key": "peak", "title": "peak memory", "unit": "MiB"},
]
KEY = "film.mov"


def run(bench):
    subject = random_file(bench, 256 if bench.quick else 1024)
    rounds = 3 if bench.quick else 5
    servers = start(bench)
    try:
        runs = {name: [] for name in servers}
        for index in range(rounds):
            # The other way round every second time, so that nobody always comes after the same one.
            for name in sorted(servers, reverse=bool(index % 2)):
                runs[name].append(measure(servers[name], subject, verify=index == 0))
                bench.log(f"{name}: {runs[name][-1]}")
        rows = [row(name, servers[name], runs[name]) for name in servers]
    finally:
        for server in servers.values():
            server.stop()
    return {"columns": COLUMNS, "rows": rows, "goals": goals(runs), "plots": plots(rows)}


def start(bench):
    servers = {}
    try:
        servers["partgate, embedded"] = stores.embedded(bench)
        servers["MinIO"] = stores.minio(bench)
        if not bench.quick:
            servers["SeaweedFS"] = stores.seaweedfs(bench)
    except Missing as missing:
        if "MinIO" not in servers:
            for server in servers.values():
                server.stop()
            raise
        bench.log(f"without SeaweedFS: {missing}")
    return servers


def measure(store, subject, verify):
    # What others have written is not to be waited for.
    os.sync()
    before = store.process.cpu_seconds()
    write_seconds = wire.upload(store, KEY, subject.path, PART_BYTES)
    written = store.process.cpu_seconds()
    os.sync()
    calm = store.process.cpu_seconds()
    read_seconds, size = wire.download(store, KEY)
    read = store.process.cpu_seconds()
    if size != subject.size:
        raise RuntimeError(f"{store.name}: {size} bytes instead of {subject.size}")
    if verify and wire.sha256_of_object(store, KEY) != subject.sha256:
        raise RuntimeError(f"{store.name}: the object is not the file")
    wire.S3(store).delete(KEY)
    return {
        "write": subject.mib / write_seconds, "write_cpu": (written - before) / subject.gib,
        "read": subject.mib / read_seconds, "read_cpu": (read - calm) / subject.gib,
    }


def row(name, store, runs):
    values = {key: median(run[key] for run in runs) for key in runs[0]}
    note = "syncs nothing before it answers" if name == "SeaweedFS" else ""
    return {"name": name, "values": {**values, "peak": store.process.peak_mib()}, "note": note}


def goals(runs):
    ours, peer = runs["partgate, embedded"], runs["MinIO"]

    def ratio(of):
        return median(of(mine, theirs) for mine, theirs in zip(ours, peer))

    return [
        {"name": "embedded-write", "title": "durable upload beside MinIO, MiB/s", "target": 2, "better": "higher", "unit": "×",
         "value": ratio(lambda mine, theirs: mine["write"] / theirs["write"]), "reason": ""},
        {"name": "embedded-read", "title": "read beside MinIO, MiB/s", "target": 2, "better": "higher", "unit": "×",
         "value": ratio(lambda mine, theirs: mine["read"] / theirs["read"]), "reason": ""},
    ]


def plots(rows):
    def bars(key):
        return [{"name": row["name"], "value": row["values"][key]} for row in rows]

    return [
        {"file": "embedded-write.svg", "title": "Durable upload of 1 GiB, MiB/s", "bars": bars("write"), "unit": "MiB/s", "log": False},
        {"file": "embedded-read.svg", "title": "Read of 1 GiB, MiB/s", "bars": bars("read"), "unit": "MiB/s", "log": False},
    ]
