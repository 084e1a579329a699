"""A PostgreSQL server with the settings that it comes with, for gateways that do not use SQLite."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from lib import Missing
from lib.net import free_ports
from lib.process import Process

# The server refuses to run as root: then it runs as the user that the Debian package makes.
USER = "postgres"


class Postgres:
    """Its database `postgres` is at `url`."""

    def __init__(self, bench):
        programs = find_programs()
        # Not in bench.work, which another user cannot enter.
        self._folder = Path(tempfile.mkdtemp(prefix="partgate-bench-postgres-"))
        user = []
        if os.geteuid() == 0:
            shutil.chown(self._folder, USER, USER)
            user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
        data = self._folder / "data"
        subprocess.run([*user, programs / "initdb", "--pgdata", data, "--username", USER, "--auth", "trust",
                        "--encoding", "UTF8"], check=True, capture_output=True, cwd=self._folder)
        port, = free_ports(1)
        argv = [*user, programs / "postgres", "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1",
                "-c", "unix_socket_directories="]
        self.process = Process(argv, log=bench.folder("postgres") / "log", cwd=self._folder)
        self.process.wait_until(lambda: "ready to accept connections" in self.process.said())
        self.url = f"postgres://{USER}@127.0.0.1:{port}/postgres"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Fast, but orderly: killed, it would leave its shared memory behind."""
        os.kill(self.process.pid, signal.SIGINT)
        deadline = time.monotonic() + 10
        while self.process.is_running() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def find_programs():
    """The folder with `initdb` and `postgres`."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    if not found:
        raise Missing("there is no PostgreSQL: scripts/tools.sh installs it")
    return Path(found).resolve().parent
