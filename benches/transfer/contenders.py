"""Who uploads, and through whom: one class a way, each with `upload(subject, key)`.

    upload(subject, key) -> Sent     server: what is between client and store, if anything
"""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.parse
from dataclasses import dataclass

from lib import Missing
from lib.gateway import Gateway
from lib.net import Connection
from lib.s3 import S3
from lib.stores import TOOLS
from peers import Peer
from transfer import wire
from transfer.standin import StandIn

PART_BYTES = 10 << 20
CONNECTIONS = 4
AWSCLI = "awscli==1.46.3"


@dataclass
class Sent:
    key: str
    seconds: float
    client_cpu_seconds: float


class Contender:
    note = ""
    server = None

    def __init__(self, bench, store):
        self.bench, self.store = bench, store

    def stop(self):
        if self.server:
            self.server.stop()


class Put(Contender):
    """`partgate put` through a gateway."""

    name = "partgate put"

    def __init__(self, bench, store):
        super().__init__(bench, store)
        self._gateway = Gateway(bench, store)
        self.server = self._gateway.process

    def upload(self, subject, _key):
        return self.put(subject, self._gateway.url)

    def put(self, subject, url):
        argv = [self.bench.partgate, "put", subject.path, "--to", url, "--part-size", str(PART_BYTES),
                "--concurrency", str(CONNECTIONS), "--json"]
        # Records of unfinished uploads are kept apart from those of whoever runs this.
        sent, said = run(argv, {"XDG_STATE_HOME": str(self.bench.folder("state"))})
        return Sent(json.loads(said.splitlines()[-1])["key"], *sent)


class PutAlone(Put):
    """The same program without a gateway."""

    name = "the same client, no gateway"
    note = "a stand-in answers from memory, URLs signed beforehand"

    def __init__(self, bench, store):
        Contender.__init__(self, bench, store)
        self._standin = StandIn(store, PART_BYTES)

    def upload(self, subject, key):
        self._standin.prepare(key, subject.path.name, subject.size)
        return self.put(subject, self._standin.url)

    def stop(self):
        self._standin.stop()


class Curl(Contender):
    """One transfer a part, over URLs that were signed before."""

    name = "curl --parallel"
    note = "URLs signed beforehand, no checksums; Complete by hand"

    def upload(self, subject, key):
        s3 = S3(self.store)
        upload_id = s3.create_multipart(key)
        folder = self.bench.folder("curl")
        blocks, heads = [], []
        for number, part in enumerate(pieces(subject, folder), 1):
            heads.append(folder / f"{part.name}.head")
            blocks.append(f'upload-file = "{part}"\nurl = "{s3.presigned_put(key, upload_id, number)}"\n'
                          f'output = "/dev/null"\ndump-header = "{heads[-1]}"\nheader = "Expect:"\n')
        config = folder / "config"
        config.write_text("next\n".join(blocks))
        sent, _ = run(["curl", "--fail", "--silent", "--show-error", "--parallel", "--parallel-max", str(CONNECTIONS),
                       "--config", config])
        s3.complete_multipart(key, upload_id, [(number, etag_in(head)) for number, head in enumerate(heads, 1)])
        shutil.rmtree(folder)
        return Sent(key, *sent)


class Aws(Contender):
    name = "aws s3 cp"
    note = AWSCLI.replace("==", " ")

    def __init__(self, bench, store):
        super().__init__(bench, store)
        self._aws = aws_cli()
        self._settings = bench.folder("aws") / "config"
        self._settings.write_text(f"[default]\ns3 =\n  max_concurrent_requests = {CONNECTIONS}\n"
                                  f"  multipart_chunksize = {PART_BYTES}\n  addressing_style = path\n")

    def upload(self, subject, key):
        env = {
            "AWS_CONFIG_FILE": str(self._settings), "AWS_ACCESS_KEY_ID": self.store.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.store.secret_access_key, "AWS_DEFAULT_REGION": self.store.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        argv = [self._aws, "s3", "cp", "--quiet", "--endpoint-url", self.store.endpoint, subject.path,
                f"s3://{self.store.bucket}/{key}"]
        sent, _ = run(argv, env)
        return Sent(key, *sent)


class Companion(Contender):
    """As a page with Uppy talks to it: every part is signed by a call of its own, just before it is sent."""

    name = "Uppy Companion's wire"
    note = "light client (sendfile, no checksums)"

    def __init__(self, bench, store):
        super().__init__(bench, store)
        self._peer = Peer(bench, "companion", store)
        self.server = self._peer.process

    def upload(self, subject, _key):
        started, before = time.monotonic(), time.process_time()
        opened = self._peer.call("POST", "/s3/multipart", {"filename": subject.path.name, "type": "video/quicktime"})
        key = urllib.parse.quote(opened["key"], safe="")
        path = f"/s3/multipart/{urllib.parse.quote(opened['uploadId'], safe='')}"

        def url_of(number):
            connection = Connection(self._peer.url)
            try:
                return connection.call("GET", f"{path}/{number}?key={key}")["url"]
            finally:
                connection.close()

        etags = wire.send_parts(self.store.endpoint, subject.path, PART_BYTES, CONNECTIONS, url_of)
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in etags]
        self._peer.call("POST", f"{path}/complete?key={key}", {"parts": parts})
        return Sent(opened["key"], time.monotonic() - started, time.process_time() - before)


class Tus(Contender):
    name = "@tus/server + @tus/s3-store"
    note = "one stream through the server (curl), which makes 8 MiB parts of it"

    def __init__(self, bench, store):
        super().__init__(bench, store)
        self._peer = Peer(bench, "tus", store)
        self.server = self._peer.process

    def upload(self, subject, _key):
        connection = Connection(self._peer.url)
        wanted = {"Tus-Resumable": "1.0.0", "Upload-Length": str(subject.size)}
        status, headers, body = connection.send("POST", "/files", b"", wanted)
        wire.succeeded(status, body)
        location = urllib.parse.urljoin(self._peer.url, headers["Location"])
        sent, _ = run(["curl", "--fail", "--silent", "--show-error", "--request", "PATCH", "--upload-file", subject.path,
                       "--header", "Tus-Resumable: 1.0.0", "--header", "Upload-Offset: 0", "--header", "Expect:",
                       "--header", "Content-Type: application/offset+octet-stream", location])
        return Sent(location.rpartition("/")[2], *sent)


class Busboy(Contender):
    name = "busboy + lib-storage"
    note = "one form through the server (curl), parts as partgate's"

    def __init__(self, bench, store):
        super().__init__(bench, store)
        self._peer = Peer(bench, "busboy", store)
        self.server = self._peer.process

    def upload(self, subject, _key):
        sent, said = run(["curl", "--fail", "--silent", "--show-error", "--header", "Expect:",
                          "--form", f"file=@{subject.path}", f"{self._peer.url}/upload"])
        return Sent(json.loads(said)["key"], *sent)


def run(argv, env=None):
    """A program to its end: (seconds, CPU seconds), and what it said."""
    environment = {**os.environ, **(env or {})}
    started = time.monotonic()
    process = subprocess.Popen(list(map(str, argv)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said, complained = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"{argv[0]} ended with {process.returncode}: {complained.decode()[-1000:]}")
    return (seconds, usage.ru_utime + usage.ru_stime), said.decode()


def pieces(subject, folder):
    """The file cut into parts, because curl sends whole files."""
    subprocess.run(["split", f"--bytes={PART_BYTES}", "--suffix-length=4", subject.path, folder / "part-"], check=True)
    return sorted(folder.glob("part-????"))


def etag_in(head):
    lines = (line.partition(":") for line in head.read_text().splitlines())
    return next(value.strip() for name, _, value in lines if name.lower() == "etag")


def aws_cli():
    folder = TOOLS / AWSCLI.replace("==", "-")
    program = folder / "bin" / "aws"
    if not program.exists():
        for argv in ([sys.executable, "-m", "venv", "--clear", folder],
                     [folder / "bin" / "python", "-m", "pip", "install", "--quiet", AWSCLI]):
            done = subprocess.run(list(map(str, argv)), capture_output=True, text=True)
            if done.returncode:
                raise Missing(f"{AWSCLI} cannot be installed: {done.stderr.strip()[-300:]}")
    return program
