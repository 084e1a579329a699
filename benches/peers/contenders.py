"""Who signs, and how each is asked, in the same words for all of them."""

import json
import math
import urllib.parse
import urllib.request
from dataclasses import dataclass

from lib.gateway import Gateway
from lib.postgres import Postgres
from peers import Peer, versions

PART_BYTES = 10 * 1024**2
# 50 GB, as people say who have 5,000 parts of 10 MiB.
PARTS = 5_000


@dataclass
class Request:
    method: str
    path: str
    body: str | None = None


class Contender:
    """A running server. Each kind of it has

    open()                    a new upload
    request(upload, numbers)  what is asked for the URLs of its parts
    urls(answer)              {number: (URL, headers to send with it)}
    """

    # What it is, where the name does not tell.
    note = ""

    def __init__(self, server):
        self.server = server
        self.url = server.url
        # What its work costs: itself, and by name what it needs for that.
        self.processes = {"": server.process}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.server.stop()

    def cpu_seconds(self):
        return sum(process.cpu_seconds() for process in self.processes.values())

    def ask(self, upload, numbers):
        """Its URLs, as `urls` gives them."""
        request = self.request(upload, numbers)
        return self.urls(self.server.call(request.method, request.path, request.body and json.loads(request.body)))

    def prove(self):
        """Raises unless it signs what it is asked for, and the store takes a part by that."""
        signed = self.ask(self.open(), [1, 2, 3])
        if sorted(signed) != [1, 2, 3]:
            raise RuntimeError(f"{self.name} was asked for parts 1 to 3 and answers {sorted(signed)}")
        put(*signed[2])


class Partgate(Contender):
    name = "partgate"

    def __init__(self, bench, store, database=None):
        super().__init__(Gateway(bench, store, database=database))

    def open(self):
        described = {"filename": "film.mov", "size": PARTS * PART_BYTES, "part_size": PART_BYTES}
        return self.server.call("POST", "/upload/init", described)["upload_id"]

    def request(self, upload, numbers):
        return Request("POST", f"/upload/{upload}/sign", compact({"parts": numbers}))

    def urls(self, answer):
        return {part["number"]: (part["url"], part["headers"]) for part in answer["parts"]}


class PartgateOnPostgres(Partgate):
    name = "partgate, PostgreSQL"

    def __init__(self, bench, store):
        self._postgres = Postgres(bench)
        try:
            super().__init__(bench, store, self._postgres.url)
        except BaseException:
            self._postgres.stop()
            raise
        self.processes["PostgreSQL"] = self._postgres.process

    def stop(self):
        super().stop()
        self._postgres.stop()


class Express(Contender):
    name = "Express + AWS presigner"
    note = versions("express", "@aws-sdk/s3-request-presigner")

    def __init__(self, bench, store):
        super().__init__(Peer(bench, "express", store))

    def open(self):
        return self.server.call("POST", "/create", {"key": "film.mov"})

    def request(self, upload, numbers):
        return Request("POST", "/sign", compact({**upload, "parts": numbers}))

    def urls(self, answer):
        return {each["number"]: (each["url"], {}) for each in answer["urls"]}


class Companion(Contender):
    """In batches, and by its route for a single part where it is asked for one."""

    name = "Uppy Companion"
    note = versions("@uppy/companion")

    def __init__(self, bench, store):
        super().__init__(Peer(bench, "companion", store))

    def open(self):
        return self.server.call("POST", "/s3/multipart", {"filename": "film.mov", "type": "video/quicktime"})

    def request(self, upload, numbers):
        path, key = f"/s3/multipart/{upload['uploadId']}", urllib.parse.quote(upload["key"], safe="")
        if len(numbers) == 1:
            return Request("GET", f"{path}/{numbers[0]}?key={key}")
        return Request("GET", f"{path}/batch?key={key}&partNumbers={','.join(map(str, numbers))}")

    def urls(self, answer):
        return {int(number): (url, {}) for number, url in answer["presignedUrls"].items()}


def put(url, headers):
    """Sends a part by a URL, as a client would."""
    # urllib adds a type if there is none.
    request = urllib.request.Request(url, b"\0" * PART_BYTES, {"Content-Type": "", **headers}, method="PUT")
    with urllib.request.urlopen(request, timeout=60) as answer:
        if not answer.headers["ETag"]:
            raise RuntimeError("the store took a part without an ETag")


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def calls(first, last, size):
    """The numbers of `first` to `last` in calls of `size`."""
    count = math.ceil((last - first + 1) / size)
    return [list(range(first + size * call, min(first + size * (call + 1), last + 1))) for call in range(count)]
