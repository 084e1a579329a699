"""The embedded store and a gateway before it, as processes that do not outlive this one."""

import re
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

PATIENCE_SECONDS = 60

# Kills the server when standard input ends: that is when this process ends, however it ends.
WATCHDOG = '"$@" & while read -r _; do :; done; kill -9 $!; wait $! 2>/dev/null'


class Server:
    """A command that tells its address in a line of its output."""

    def __init__(self, command, address, log):
        self._log = log
        with open(log, "wb") as output:
            self._watchdog = subprocess.Popen(
                ["sh", "-c", WATCHDOG, "watchdog", *command],
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT,
                # Ctrl-C ends this process; the watchdog ends the server.
                start_new_session=True,
            )
        self.url = self._wait(address)

    def _wait(self, address):
        for _ in range(PATIENCE_SECONDS * 10):
            found = re.search(address, self._log.read_text())
            if found:
                return "http://" + found.group(1)
            time.sleep(0.1)
        self.stop()
        raise SystemExit(f"a server does not start:\n{self._log.read_text()}")

    def stop(self):
        self._watchdog.stdin.close()
        self._watchdog.wait()


class Gateway(Server):
    """`partgate serve` with these settings, over the store of a `partgate dev`."""

    def __init__(self, partgate, folder, store_url, settings):
        self._partgate = partgate
        self.config = folder / "partgate.toml"
        self.config.write_text(settings.format(folder=folder, store=store_url))
        command = [partgate, "serve", "--config", str(self.config)]
        super().__init__(command, r'"partgate is ready".*"address":"([^"]+)"', folder / "gateway.log")

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.url + "/readyz") as answer:
                return answer.status == 200
        except urllib.error.HTTPError:
            return False

    def key(self, *arguments):
        """A new API key."""
        command = [self._partgate, "key", "create", *arguments, "--config", self.config]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def store(partgate, folder):
    """The store of `partgate dev`; its own gateway serves open mode only and is left alone."""
    command = [partgate, "dev", "--data", str(folder / "data"), "--listen", "127.0.0.1:0",
               "--store-listen", "127.0.0.1:0"]
    return Server(command, r"store +http://(\S+)", folder / "store.log")
