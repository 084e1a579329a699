"""The page's client in headless Chromium, by benches/browser, which measures by itself and writes its results down."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from statistics import median

from lib import Missing
from lib.stores import tool
from peers import once

BROWSER = Path(__file__).resolve().parent.parent / "browser"
BARE = "bare 10 MiB ×6"
OURS = "partgate 10 MiB, none"
PROTECTED = "partgate 10 MiB, crc64nvme"
NAMES = {BARE: "bare XHR in Chromium", OURS: "partgate's page client", PROTECTED: "partgate's page client, CRC-64/NVME"}
NOTES = {BARE: "six at once, URLs signed beforehand, no checksums", OURS: "six at once, no checksums", PROTECTED: "six at once"}
ROUNDS = 3


def measure(bench, size):
    """Rows, and the goal of the page: speed beside bare XHRs, round by round."""
    results = run(bench, size)["results"]
    runs = {name: results.get(name, []) for name in NAMES}
    for name, each in runs.items():
        failures = [run["failed"] for run in each if "failed" in run]
        if failures or not each:
            raise RuntimeError(f"{name}: {failures or 'it was not measured'}")
    ratio = median(bare["seconds"] / ours["seconds"] for bare, ours in zip(runs[BARE], runs[OURS]))
    goal = {"name": "transfer-page", "title": "the page's client beside bare XHRs", "target": 0.98, "better": "higher",
            "unit": "×", "value": ratio, "reason": ""}
    return [row(name, each, size) for name, each in runs.items()], goal


def run(bench, size):
    node = shutil.which("node")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not node or not chromium:
        raise Missing("the page needs node and chromium (Debian has both)")
    once(BROWSER / "package-lock.json", BROWSER / "node_modules" / ".installed", [
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", BROWSER]])
    out = bench.folder("page") / "results.json"
    env = {**os.environ, "BYTES": str(size), "ROUNDS": str(ROUNDS), "FILES": "0", "ONLY": "bare 10 MiB,partgate 10 MiB",
           "OUT": str(out), "PARTGATE": str(bench.partgate), "MINIO": str(tool("minio")), "CHROMIUM": chromium}
    done = subprocess.run([node, BROWSER / "run.mjs"], env=env, capture_output=True, text=True)
    if done.returncode or not out.exists():
        raise RuntimeError(f"benches/browser ended with {done.returncode}: {done.stderr[-1000:]}")
    return json.loads(out.read_text())


def row(name, runs, size):
    gib = size / (1 << 30)
    seconds = median(run["seconds"] for run in runs)
    values = {"seconds": seconds, "speed": gib * 1024 / seconds,
              "client_cpu": median(run["cpu"]["chromium"] for run in runs) / gib}
    if name != BARE:
        values["server_cpu"] = median(run["cpu"]["gateway"] for run in runs) / gib
    return {"name": NAMES[name], "values": values, "note": NOTES[name]}
