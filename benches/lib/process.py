"""Processes that do not outlive this one, and what they and their children cost."""

import os
import subprocess
import time
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PATIENCE_SECONDS = 60

# Kills the whole group when standard input ends: that is when this process ends, however it ends.
WATCHDOG = '"$@" & while read -r _; do :; done; kill -9 $!; wait $! 2>/dev/null'


class Process:
    """A server. Its costs are those of all processes that it has started and that still run."""

    def __init__(self, argv, *, log, env=None, cwd=None):
        """`env` is added to this process' environment; a value of None takes the variable away."""
        self.log = Path(log)
        environment = {name: value for name, value in {**os.environ, **(env or {})}.items() if value is not None}
        with open(self.log, "wb") as output:
            self._watchdog = subprocess.Popen(
                ["sh", "-c", WATCHDOG, "watchdog", *map(str, argv)], stdin=subprocess.PIPE, stdout=output,
                stderr=subprocess.STDOUT, env=environment, cwd=cwd, start_new_session=True,
            )
        self.pid = wait(lambda: next(iter(children(self._watchdog.pid)), None), "the process does not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if not self._watchdog.stdin.closed:
            self._watchdog.stdin.close()
            self._watchdog.wait()

    def is_running(self):
        # Whoever has ended stays there as a zombie, because the watchdog waits for something else.
        fields = stat(self.pid)
        return fields is not None and fields[0] != "Z"

    def said(self):
        return self.log.read_text(errors="replace")

    def wait_until(self, is_ready):
        """Until `is_ready()` is true; a process that ends or takes too long is told with what it said."""
        def poll():
            if not self.is_running():
                raise RuntimeError(f"the process has ended:\n{self.said()[-4000:]}")
            return is_ready()
        return wait(poll, lambda: self.said()[-4000:])

    def cpu_seconds(self):
        """User and system time of the process and its children, those that have ended included."""
        ticks = 0
        for pid in tree(self.pid):
            fields = stat(pid)
            if fields:
                ticks += sum(int(fields[index]) for index in (11, 12, 13, 14))
        return ticks / TICKS_PER_SECOND

    def rss_mib(self):
        return self._memory("VmRSS:")

    def peak_mib(self):
        return self._memory("VmHWM:")

    def _memory(self, field):
        kib = 0
        for pid in tree(self.pid):
            try:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            except OSError:
                continue
            kib += sum(int(line.split()[1]) for line in lines if line.startswith(field))
        return kib / 1024


def stat(pid):
    """What /proc tells of a process, from its state on (proc(5): field 3 is index 0)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def children(pid):
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def tree(pid):
    """A process and all below it. A child may have been started by any thread."""
    found = [pid]
    for each in found:
        try:
            tasks = list(Path(f"/proc/{each}/task").iterdir())
        except OSError:
            continue
        for task in tasks:
            try:
                found.extend(int(child) for child in (task / "children").read_text().split())
            except OSError:
                continue
    return found


def wait(poll, describe, pause_seconds=0.01):
    """What `poll` gives once it gives anything."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = poll()
        if found:
            return found
        time.sleep(pause_seconds)
    raise RuntimeError(f"it takes too long: {describe() if callable(describe) else describe}")


def timed(argv, **options):
    """Runs a command; its wall seconds, its CPU seconds with all its children's, and its output."""
    before = os.times()
    started = time.monotonic()
    done = subprocess.run([str(each) for each in argv], check=True, capture_output=True, text=True, **options)
    seconds = time.monotonic() - started
    after = os.times()
    cpu = (after.children_user + after.children_system) - (before.children_user + before.children_system)
    return seconds, cpu, done.stdout
