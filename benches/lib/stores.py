"""Real stores, each with the bucket `uploads`, as `make test` runs them."""

import json
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from lib import Missing
from lib.net import answers, free_ports
from lib.process import Process
from lib.s3 import S3

TOOLS = Path("~/.cache/partgate-tools").expanduser()
ACCESS_KEY_ID = "partgate"
SECRET_ACCESS_KEY = "partgate-dev-secret"


@dataclass
class Store:
    name: str
    endpoint: str
    process: Process
    access_key_id: str = ACCESS_KEY_ID
    secret_access_key: str = SECRET_ACCESS_KEY
    bucket: str = "uploads"
    region: str = "us-east-1"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.stop()


def tool(name):
    found = TOOLS / "bin" / name
    if found.exists():
        return found
    elsewhere = shutil.which(name)
    if elsewhere:
        return Path(elsewhere)
    raise Missing(f"there is no {name}: scripts/tools.sh installs it")


def minio(bench):
    folder = bench.folder("minio")
    port, = free_ports(1)
    env = {"MINIO_ROOT_USER": ACCESS_KEY_ID, "MINIO_ROOT_PASSWORD": SECRET_ACCESS_KEY, "MINIO_BROWSER": "off",
           "MINIO_SITE_REGION": "us-east-1"}
    argv = [tool("minio"), "server", "--quiet", "--address", f"127.0.0.1:{port}", folder / "data"]
    return with_bucket(Store("MinIO", f"http://127.0.0.1:{port}", Process(argv, env=env, log=folder / "log")))


def seaweedfs(bench):
    folder = bench.folder("seaweedfs")
    (folder / "data").mkdir()
    kinds = ("s3", "master", "filer", "volume", "admin")
    names = [name for kind in kinds for name in (f"{kind}.port", f"{kind}.port.grpc")]
    ports = dict(zip(names, free_ports(len(names))))
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    identities = folder / "identities.json"
    identities.write_text(json.dumps({"identities": [{"name": "bench", "actions": actions, "credentials": [
        {"accessKey": ACCESS_KEY_ID, "secretKey": SECRET_ACCESS_KEY}]}]}))
    switches = "-ip=127.0.0.1 -ip.bind=127.0.0.1 -admin.ui=false -webdav=false -s3.port.iceberg=0 -s3.port.lance=0 " \
               "-master.telemetry=false"
    argv = [tool("weed"), "mini", f"-dir={folder / 'data'}", f"-s3.config={identities}", *switches.split(),
            *(f"-{kind}.localSocket={folder / kind}.sock" for kind in ("s3", "filer")),
            *(f"-{name}={port}" for name, port in ports.items())]
    return with_bucket(Store("SeaweedFS", f"http://127.0.0.1:{ports['s3.port']}", Process(argv, log=folder / "log")))


def embedded(bench, *arguments):
    """`partgate dev`: its store, whose gateway is at `process`' log too. The bucket is there from the start."""
    folder = bench.folder("embedded")
    argv = [bench.partgate, "dev", "--data", folder / "data", "--listen", "127.0.0.1:0", "--store-listen", "127.0.0.1:0",
            *arguments]
    process = Process(argv, log=folder / "log")
    found = process.wait_until(lambda: re.search(r"^\s*store\s+(http://\S+)", process.said(), re.MULTILINE))
    return Store("embedded", found.group(1), process)


def with_bucket(store):
    """The store, once it has taken an object: SeaweedFS answers before it has a place for one."""
    store.process.wait_until(lambda: answers(store.endpoint))
    for _ in range(300):
        client = S3(store)
        try:
            client.call("PUT")
        except (OSError, RuntimeError):
            # It may be there already, by the try before.
            pass
        try:
            client.call("PUT", "ready", body=b"ready")
            client.delete("ready")
            return store
        except (OSError, RuntimeError):
            time.sleep(0.1)
    store.stop()
    raise RuntimeError(f"{store.name} takes no objects:\n{store.process.said()[-4000:]}")
