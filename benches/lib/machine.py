"""What the measurements ran on."""

import datetime
import os
import pathlib
import platform
import re
import subprocess


def facts(repository):
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
        "load_before": round(os.getloadavg()[0], 2),
    }


def text_of(*argv):
    try:
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "none"
