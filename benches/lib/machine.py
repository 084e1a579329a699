"""What the measurements ran on."""

import datetime
import os
import pathlib
import platform
import re
import subprocess


class Watch:
    """Looks at who else the machine works for: from its making until it is asked."""

    def __init__(self):
        self._load, (self._all, self._stolen) = os.getloadavg()[0], ticks()

    def disturbances(self):
        everything, stolen = ticks()
        share = (stolen - self._stolen) / max(1, everything - self._all)
        return {"load_before": round(self._load, 2), "stolen_percent": round(100 * share, 1)}


def ticks():
    """All of the processors' time, and what the host has given to others (proc(5): user to steal)."""
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    return sum(map(int, fields)), int(fields[7])


def facts(repository, watch):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
    return {
        "date": datetime.date.today().isoformat(),
        "commit": text_of("git", "-C", str(repository), "rev-parse", "--short", "HEAD"),
        "cores": os.cpu_count(),
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "memory_gib": round(int(memory.group(1)) / 1024**2),
        "kernel": platform.release(),
        "rust": text_of("rustc", "--version"),
        "node": text_of("node", "--version"),
        **watch.disturbances(),
    }


def text_of(*argv):
    try:
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "none"
