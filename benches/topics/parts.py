"""Uploads of 10,000 parts: asking how far they are, and finishing them."""

import os
import re
import shutil
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from lib import stores
from lib.gateway import Gateway
from lib.process import Process
from lib.s3 import S3

TITLE = "Uploads of 10,000 parts"
ABOUT = """
An upload of 10,000 parts of one byte each (MinIO checks its minimum of 5 MiB at completion only; the embedded store is started
without one). `status`, which partgate answers from its own state, is beside ListParts by a plain client, which follows ten pages;
`status?refresh=true`, which asks storage, is beside the ten pages asked for at once by a client that happens to know where they begin.
The clients are the same Python on kept connections, and read what they get. MinIO reads all parts after the marker for every
page, so partgate lets it answer them all in one. `complete` is beside CompleteMultipartUpload alone: of 10,000 parts on the embedded store, and on
MinIO, which wants 5 MiB a part, of as many as that allows. `complete` is ListParts, the decision on disk, CompleteMultipartUpload, and a HEAD
that proves the object. Medians, in turns.
"""

PAGE = 1_000
ROUNDS = 7


def run(bench):
    parts = 1_000 if bench.quick else 10_000
    rows, goals = [], []
    with Scene(bench, bench.folder("listing")) as scene:
        listing(bench, scene.store, scene.gateway, parts, rows, goals)
    completing(bench, parts, rows, goals)
    if not bench.quick:
        with stores.minio(bench) as store, gateway_before(bench, store) as gateway:
            listing(bench, store, gateway, parts, rows, goals)
            completing_large(bench, store, gateway, 200, rows, goals)
    columns = [
        {"key": "ms", "title": "partgate", "unit": "ms"},
        {"key": "storage_ms", "title": "storage alone", "unit": "ms"},
        {"key": "cpu_ms", "title": "CPU of the gateway", "unit": "ms"},
    ]
    return {"columns": columns, "rows": rows, "goals": goals}


def listing(bench, store, gateway, parts, rows, goals):
    bench.log(f"sending {parts:,} parts: {store.name}")
    upload = Upload(gateway, store, parts, 1)
    upload.send_parts()
    upload.report()
    listing = Listing(store, upload)
    # Ten pages of MinIO's may take half a minute.
    rounds = 2 if store.name == "MinIO" else ROUNDS
    with ThreadPoolExecutor(10) as pool:
        contenders = {
            "refresh": lambda: upload.check(gateway.call("GET", upload.path("status?refresh=true"))),
            "at once": lambda: listing.at_once(pool),
            "pages": listing.follow,
        }
        times, cpu = in_turns(contenders, rounds, gateway)
    status, status_cpu = in_turns({"status": lambda: gateway.call("GET", upload.path("status"))}, 50, gateway)
    of_parts = f"of {parts:,} parts, {store.name}"
    rows += [
        row(f"status {of_parts}", status["status"], times["pages"], status_cpu["status"], "beside ListParts, page after page"),
        row(f"status?refresh=true {of_parts}", times["refresh"], times["at once"], cpu["refresh"], "beside all pages at once"),
    ]
    slug = store.name.lower()
    goals += [
        goal(f"status-{slug}", f"status {of_parts}, times faster than ListParts", times["pages"] / status["status"], 50, "higher"),
        goal(f"refresh-{slug}", f"status?refresh=true {of_parts}, beside all pages at once",
             times["refresh"] / times["at once"], 1.0, "lower"),
    ]


def completing(bench, parts, rows, goals):
    """On the embedded store, with a gateway of its own before it. Each round begins with copies of the same folders."""
    folder = bench.folder("completing")
    with Scene(bench, folder / "prepared") as scene:
        bench.log(f"sending 2 × {parts} parts to the embedded store")
        ours, alone = Upload(scene.gateway, scene.store, parts, 1), Multipart(scene.store, parts, 1)
        for upload in (ours, alone):
            upload.send_parts()
        ours.report()
    seconds, cpu = {"ours": [], "alone": []}, []
    for number in range(5 if bench.quick else ROUNDS):
        again = folder / str(number)
        shutil.copytree(folder / "prepared", again, copy_function=link_or_copy)
        with Scene(bench, again) as scene:
            ours.move(scene.gateway, scene.store)
            alone.move(scene.store)
            contenders = {"ours": ours.complete, "alone": alone.complete}
            before = scene.gateway.process.cpu_seconds()
            for name in sorted(contenders, reverse=number % 2 == 1):
                seconds[name].append(seconds_of(contenders[name]))
            cpu.append(scene.gateway.process.cpu_seconds() - before)
        shutil.rmtree(again)
    completed(f"of {parts:,} parts, embedded", "complete-embedded", seconds, cpu, rows, goals)


def completing_large(bench, store, gateway, parts, rows, goals):
    """On MinIO, whose parts have 5 MiB at least."""
    seconds, cpu = {"ours": [], "alone": []}, []
    for number in range(5):
        bench.log(f"sending 2 × {parts} parts of 5 MiB: MinIO")
        ours, alone = Upload(gateway, store, parts, 5 << 20), Multipart(store, parts, 5 << 20)
        for upload in (ours, alone):
            upload.send_parts()
        ours.report()
        contenders = {"ours": ours.complete, "alone": alone.complete}
        before = gateway.process.cpu_seconds()
        for name in sorted(contenders, reverse=number % 2 == 1):
            seconds[name].append(seconds_of(contenders[name]))
        cpu.append(gateway.process.cpu_seconds() - before)
        for upload in (ours, alone):
            S3(store).delete(upload.key)
    completed(f"of {parts} parts of 5 MiB, MinIO", "complete-minio", seconds, cpu, rows, goals)


def completed(what, slug, seconds, cpu, rows, goals):
    ours, alone = (1e3 * statistics.median(seconds[name]) for name in ("ours", "alone"))
    rows.append(row(f"complete {what}", ours, alone, 1e3 * statistics.median(cpu), "beside CompleteMultipartUpload"))
    goals.append(goal(slug, f"complete {what}, beside CompleteMultipartUpload alone", ours / alone, 1.3, "lower"))


def link_or_copy(source, target):
    """The store never changes a part's file once it is written, and there are thousands; databases are copied."""
    link = os.link if "/blobs/" in str(source) else shutil.copy2
    return link(source, target)


class Multipart:
    """A multipart upload, straight at a store."""

    def __init__(self, store, parts, part_size):
        self.parts, self.body = parts, bytes(part_size)
        self.move(store)
        self.open()
        self.etags = {}

    def open(self):
        self.key = "alone"
        self.id = self.client().create_multipart(self.key)

    def move(self, store):
        """The store of the same data, at another address."""
        self.store, self._clients = store, threading.local()
        self.client()

    def client(self):
        """A connection for each thread."""
        if not hasattr(self._clients, "mine"):
            self._clients.mine = S3(self.store)
        return self._clients.mine

    def send_parts(self):
        with ThreadPoolExecutor(8) as pool:
            numbers = range(1, self.parts + 1)
            send = lambda number: self.client().upload_part(self.key, self.id, number, self.body)
            self.etags = dict(zip(numbers, pool.map(send, numbers)))

    def complete(self):
        self.client().complete_multipart(self.key, self.id, self.etags.items())


class Upload(Multipart):
    """The same through a gateway, which is told of the parts as a client tells it, 1,000 at a time."""

    def __init__(self, gateway, store, parts, part_size):
        self.gateway = gateway
        super().__init__(store, parts, part_size)

    def open(self):
        size = self.parts * len(self.body)
        made = self.gateway.call("POST", "/upload/init", {"filename": "f", "size": size, "part_size": len(self.body), "sign": 1})
        if made["total_parts"] != self.parts:
            raise RuntimeError(f"{made['total_parts']} parts instead of {self.parts}")
        self.upload_id, self.key = made["upload_id"], made["key"]
        # The multipart upload is opened by the first call that needs it, and its id is in the URLs.
        self.id = made["parts"][0]["url"].partition("uploadId=")[2].partition("&")[0]

    def move(self, store_or_gateway, store=None):
        if store is not None:
            self.gateway = store_or_gateway
        super().move(store or store_or_gateway)

    def path(self, action):
        return f"/upload/{self.upload_id}/{action}"

    def report(self):
        etags = list(self.etags.items())
        for first in range(0, len(etags), PAGE):
            stored = [{"number": number, "etag": etag} for number, etag in etags[first:first + PAGE]]
            self.gateway.call("POST", self.path("parts"), {"stored": stored})

    def check(self, status):
        if status["received_parts"] != self.parts:
            raise RuntimeError(f"{status['received_parts']} parts instead of {self.parts}")

    def complete(self):
        done = self.gateway.call("POST", self.path("complete"), {})
        if done["state"] != "completed":
            raise RuntimeError(f"not completed: {done}")


class Listing:
    """ListParts by a client that wants to know how many parts there are."""

    def __init__(self, store, upload):
        self.store, self.upload, self.clients = store, upload, threading.local()

    def page(self, after):
        if not hasattr(self.clients, "mine"):
            self.clients.mine = S3(self.store)
        return self.clients.mine.list_parts(self.upload.key, self.upload.id, after, PAGE)

    def follow(self):
        after, found = 0, 0
        while after is not None:
            count, after = self.page(after)
            found += count
        self.check(found)

    def at_once(self, pool):
        self.check(sum(count for count, _ in pool.map(self.page, range(0, self.upload.parts, PAGE))))

    def check(self, found):
        if found != self.upload.parts:
            raise RuntimeError(f"ListParts shows {found} parts")


class Scene:
    """An embedded store and a gateway before it, both with their data in one folder."""

    def __init__(self, bench, folder):
        folder.mkdir(exist_ok=True)
        argv = [bench.partgate, "dev", "--data", folder / "data", "--min-part-size", "1", "--listen", "127.0.0.1:0",
                "--store-listen", "127.0.0.1:0"]
        process = Process(argv, log=bench.folder("dev") / "log")
        found = process.wait_until(lambda: re.search(r"^\s*store\s+(http://\S+)", process.said(), re.MULTILINE))
        self.store = stores.Store("embedded", found.group(1), process)
        self.gateway = gateway_before(bench, self.store, f"sqlite://{folder / 'gateway.db'}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gateway.stop()
        self.store.stop()


def gateway_before(bench, store, database=None):
    settings = {"storage.min_part_size": "1", "storage.path_style": "true"}
    return Gateway(bench, store, database=database, settings=settings)


def in_turns(contenders, rounds, gateway):
    """Median milliseconds of each contender, and of the gateway's CPU."""
    seconds, cpu = {name: [] for name in contenders}, {name: 0.0 for name in contenders}
    for number in range(rounds + 1):
        for name, work in contenders.items():
            before = gateway.process.cpu_seconds()
            took = seconds_of(work)
            # The first round fills caches and opens connections.
            if number:
                seconds[name].append(took)
                cpu[name] += gateway.process.cpu_seconds() - before
    times = {name: 1e3 * statistics.median(each) for name, each in seconds.items()}
    return times, {name: 1e3 * total / rounds for name, total in cpu.items()}


def seconds_of(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def row(name, ms, storage_ms, cpu_ms, note):
    return {"name": name, "values": {"ms": ms, "storage_ms": storage_ms, "cpu_ms": cpu_ms}, "note": note}


def goal(name, title, value, target, better):
    return {"name": name, "title": title, "value": value, "target": target, "better": better, "unit": "×", "reason": ""}
