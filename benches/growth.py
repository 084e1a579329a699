#!/usr/bin/env python3
"""How the sweep and the gateway's memory grow with the number of uploads. Asserts nothing: it prints.

Rows are copied inside SQLite from one upload that the API has opened, so that 100,000 of them take seconds.
Needs python3 and target/release/partgate (`make bench` builds it). UPLOADS="1000 10000 100000" chooses the sizes.
"""

import json
import os
import pathlib
import sqlite3
import subprocess
import tempfile
import time
import urllib.request

PARTGATE = pathlib.Path(__file__).resolve().parent.parent / "target/release/partgate"
SIZES = [int(size) for size in os.environ.get("UPLOADS", "1000 10000 100000").split()]
DUE = 1_000

COPY = """
WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :first + :count)
INSERT INTO uploads SELECT * FROM (SELECT {columns} FROM uploads, numbers WHERE uploads.id = :template)
"""


class Dev:
    """`partgate dev` on free ports, over a directory of its own."""

    def __init__(self, data):
        self.data = data
        arguments = ["dev", "--data", data / "data", "--listen", "127.0.0.1:0", "--store-listen", "127.0.0.1:0"]
        log = open(data / "dev.log", "a")
        self.process = subprocess.Popen([PARTGATE, *arguments], stdout=subprocess.PIPE, stderr=log, text=True)
        self.addresses = {}
        for line in self.process.stdout:
            words = line.split()
            if words[:1] in (["gateway"], ["store"]):
                self.addresses[words[0]] = words[1]
            if len(self.addresses) == 2:
                break

    def post(self, path, body):
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.addresses["gateway"] + path, json.dumps(body).encode(), headers)
        return json.load(urllib.request.urlopen(request))

    def memory(self, field):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith(field + ":"):
                return f"{int(line.split()[1]) / 1024:.0f} MiB"

    def stop(self):
        self.process.terminate()
        self.process.wait()


def settings(dev, database, path):
    path.write_text(
        f'database = "sqlite://{database}"\n[storage]\nendpoint = "{dev.addresses["store"]}"\nbucket = "uploads"\n'
        'access_key_id = "partgate"\nsecret_access_key = "partgate-dev-secret"\n'
    )
    return path


def sweep(config):
    started = time.monotonic()
    done = subprocess.run([PARTGATE, "sweep", "--json", "--config", config], capture_output=True, text=True)
    seconds = time.monotonic() - started
    return seconds, len(json.loads(done.stdout)["actions"])


def copies(database, template, first, count, due):
    """Copies the template with new ids, multipart uploads that storage does not know, and its moment of sweep."""
    with sqlite3.connect(database) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(uploads)")]
        changed = {
            "id": "printf('%08x-0000-7000-8000-000000000000', n)",
            "object_key": "printf('%08x-0000-7000-8000-000000000000/file.bin', n)",
            "s3_upload_id": "printf('unknown-%d', n)",
            "idempotency_key": "NULL",
            "sweep_at": "1" if due else "sweep_at",
            "expires_at": "1" if due else "expires_at",
        }
        selected = ", ".join(changed.get(column, column) for column in columns)
        connection.execute(COPY.format(columns=selected), {"first": first, "count": count, "template": template})


def sweeps(data):
    print(f"{'open uploads':>14} {'sweep, none due':>16} {f'sweep, {DUE} due':>16}")
    for size in SIZES:
        folder = data / f"sweep-{size}"
        folder.mkdir()
        dev = Dev(folder)
        database = folder / "gateway.db"
        config = settings(dev, database, folder / "partgate.toml")
        subprocess.run([PARTGATE, "migrate", "--config", config], check=True, capture_output=True)
        template = dev.post("/upload/init", {"filename": "file.bin", "size": 100 << 20})["upload_id"]
        with sqlite3.connect(database) as connection:
            connection.execute("ATTACH ? AS dev", [str(next((folder / "data").glob("*.db")))])
            connection.execute("INSERT INTO uploads SELECT * FROM dev.uploads WHERE id = ?", [template])
        copies(database, template, 1, size, due=False)
        idle, swept = sweep(config)
        assert swept == 0, swept
        copies(database, template, size + 1, DUE, due=True)
        busy, swept = sweep(config)
        assert swept == DUE, swept
        print(f"{size:>14,} {idle * 1000:>13.0f} ms {busy * 1000:>13.0f} ms", flush=True)
        dev.stop()


def memory(data):
    folder = data / "memory"
    folder.mkdir()
    dev = Dev(folder)
    idle = dev.memory("VmRSS")
    started = time.monotonic()
    for _ in range(10_000):
        dev.post("/upload/init", {"filename": "file.bin", "size": 100 << 20, "sign": 4})
    seconds = time.monotonic() - started
    print(f"memory, gateway and embedded store in one process: idle {idle}, with 10,000 open uploads "
          f"{dev.memory('VmRSS')}, peak {dev.memory('VmHWM')} ({10_000 / seconds:.0f} init calls a second, one client)")
    dev.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        sweeps(pathlib.Path(directory))
        memory(pathlib.Path(directory))
