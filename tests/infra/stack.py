"""The servers of a whole set-up, as processes that end with this one: stores, PostgreSQL, nginx, and gateways."""

import json
import os
import pwd
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from support import REPOSITORY, lacking, need, need_module, partgate, run, servers

ACCESS_KEY_ID = "partgate"
SECRET_ACCESS_KEY = "partgate-dev-secret"
BUCKET = "uploads"
PATIENCE_SECONDS = 60
PAUSE_SECONDS = 0.1


class Listening(servers.Server):
    """A server that says nothing of its address, which is therefore chosen for it: it is up when that answers."""

    def _wait(self, address):
        wait(lambda: answers(address), lambda: self._log.read_text(errors="replace"))
        return address


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        # Whatever it says, it is there.
        return True
    except OSError:
        return False


def wait(is_done, describe):
    for _ in range(int(PATIENCE_SECONDS / PAUSE_SECONDS)):
        if is_done():
            return
        time.sleep(PAUSE_SECONDS)
    raise AssertionError(f"it takes too long:\n{describe()}")


def grace_seconds():
    """So long a gateway that is asked to stop gives requests, and then so long again the work behind them."""
    source = (REPOSITORY / "src" / "server" / "mod.rs").read_text()
    return int(re.search(r"pub const GRACE: Duration = Duration::from_secs\((\d+)\);", source).group(1))


def free_ports(count):
    """Ports that nobody else had a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def with_settings(settings, *command):
    """A command that sees these settings, and none of the environment's."""
    unset = [word for name in os.environ if name.startswith("PARTGATE_") for word in ("-u", name)]
    return ["env", *unset, *(f"{name}={value}" for name, value in settings.items()), *map(str, command)]


def minio(folder):
    port, = free_ports(1)
    settings = {"MINIO_ROOT_USER": ACCESS_KEY_ID, "MINIO_ROOT_PASSWORD": SECRET_ACCESS_KEY, "MINIO_BROWSER": "off"}
    address = f"127.0.0.1:{port}"
    command = with_settings(settings, need("minio"), "server", "--quiet", "--address", address, folder / "minio")
    return with_bucket(Listening(command, f"http://{address}", folder / "minio.log"))


def seaweedfs(folder, arguments):
    """`weed` with these arguments, on ports of its own."""
    kinds = ("s3", "master", "filer", "volume", "admin")
    names = [name for kind in kinds for name in (f"{kind}.port", f"{kind}.port.grpc")]
    ports = dict(zip(names, free_ports(len(names))))
    sockets = [f"-{kind}.localSocket={folder / kind}.sock" for kind in ("s3", "filer")]
    command = [str(need("weed")), *arguments, "-s3.port.iceberg=0", "-s3.port.lance=0", *sockets,
               *(f"-{name}={port}" for name, port in ports.items())]
    return with_bucket(Listening(command, f"http://127.0.0.1:{ports['s3.port']}", folder / "weed.log"))


def with_bucket(server):
    """The store, once it has taken an object: SeaweedFS answers before it has a place for one."""
    boto3 = need_module("boto3")
    s3 = boto3.client("s3", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=ACCESS_KEY_ID,
                      aws_secret_access_key=SECRET_ACCESS_KEY)

    def is_ready():
        try:
            if BUCKET not in (bucket["Name"] for bucket in s3.list_buckets()["Buckets"]):
                s3.create_bucket(Bucket=BUCKET)
            s3.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
            return True
        # What is refused now works in a moment; of which kind it is differs by store.
        except Exception:
            return False

    wait(is_ready, lambda: f"{server.url} takes no objects")
    return server


class Postgres:
    """PostgreSQL with a role and a database called partgate, at `url`."""

    def __init__(self):
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        programs = found[-1] if found else lacking("there is no PostgreSQL; scripts/tools.sh installs it")
        port, = free_ports(1)
        # It refuses to run as root.
        user = ["runuser", "-u", "postgres", "--"] if pwd.getpwuid(os.getuid()).pw_name == "root" else []
        script = (REPOSITORY / "crates" / "testkit" / "src" / "postgres.sh").read_text()
        self._script = subprocess.Popen(
            [*user, "sh", "-c", script, "sh", str(programs), str(port)], cwd="/", text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )
        self._expect_ok()
        self._script.stdin.write("start\n")
        self._expect_ok()
        server = f"postgres://postgres@127.0.0.1:{port}/postgres"
        statements = ("CREATE ROLE partgate LOGIN", "CREATE DATABASE partgate OWNER partgate")
        run(programs / "psql", server, *(word for statement in statements for word in ("-c", statement)))
        self.address = f"127.0.0.1:{port}"
        self.url = f"postgres://partgate:hunter2@{self.address}/partgate"

    def _expect_ok(self):
        answer = self._script.stdout.readline().strip()
        if answer != "ok":
            raise AssertionError(f"PostgreSQL: {answer}")

    def stop(self):
        self._script.stdin.close()
        self._script.wait()
        self._script.stdout.close()


class Gateway(servers.Server):
    """`partgate serve` with an environment that somebody else wrote; where it listens and logs is ours to say."""

    def __init__(self, name, folder, settings, arguments=("serve",)):
        # Before anything is changed, the gateway has to be content with all of it.
        effective = run(partgate(), "config", settings=settings)
        self.settings = settings | {"PARTGATE_LISTEN": "127.0.0.1:0", "PARTGATE_LOG__FORMAT": "json"}
        # Where its metrics are: beside the API, unless the settings want them elsewhere.
        self.operations = None
        if re.search(r"^operations\.listen = ", effective, re.MULTILINE):
            address = "127.0.0.1:%d" % free_ports(1)[0]
            self.settings["PARTGATE_OPERATIONS__LISTEN"] = address
            self.operations = f"http://{address}"
        command = with_settings(self.settings, partgate(), *arguments)
        super().__init__(command, r'"partgate is ready".*"address":"([^"]+)"', folder / f"{name}.log")

    def readiness(self):
        """What /readyz says."""
        try:
            with urllib.request.urlopen(self.url + "/readyz", timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def key(self, tenant="default"):
        """A new API key."""
        return run(partgate(), "key", "create", "--tenant", tenant, settings=self.settings).strip()


def nginx(folder, configuration, port):
    """nginx with what docker-compose.yml mounts as its server; `port` is where that listens."""
    root = "user root;" if os.getuid() == 0 else ""
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    file = folder / "nginx.conf"
    file.write_text(f"{root} daemon off; pid {folder}/nginx.pid; events {{}} "
                    f"http {{ access_log off; {temporary}\n{configuration}\n}}")
    command = [str(need("nginx")), "-p", str(folder), "-e", str(folder / "nginx.error"), "-c", str(file)]
    run(*command, "-t")
    return Listening(command, f"http://127.0.0.1:{port}", folder / "nginx.log")


def metrics(gateway):
    """What Prometheus reads from a gateway whose metrics are apart."""
    return text_of(gateway.operations + "/metrics")


def text_of(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def send(method, url, body, content_type):
    """The JSON of an answer that is no error."""
    request = urllib.request.Request(url, body, {"content-type": content_type}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def upload(gateway_url, file, token=""):
    """What `partgate put` says of a file that it uploaded."""
    settings = {"PARTGATE_TOKEN": token} if token else {}
    return json.loads(run(partgate(), "put", "--json", "--content-type", "video/mp4", "--to", gateway_url, file,
                          settings=settings))


def payload(folder):
    """A film of three parts."""
    file = folder / "payload.mp4"
    file.write_bytes(os.urandom(1 << 20) * 21)
    return file


def replaced(text, replacements):
    """The text with names of another machine, or of containers, replaced by what stands for them here."""
    for old, new in replacements.items():
        text = re.sub(old, new, text)
    return text
