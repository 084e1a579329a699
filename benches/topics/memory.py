"""What a gateway holds in memory, idle and at work."""

import json
import time

from lib import load, stores
from lib.gateway import Gateway

TITLE = "Memory"
ABOUT = """
Resident memory (`VmRSS`; the highest of a run is `VmHWM`) of `partgate serve` on SQLite, before the embedded store in a process
of its own: idle, two seconds after it is ready; then with 10,000 open multipart uploads, which the API has opened one after
the other; then with 1,000 connections that all have a sign call under way, each call for parts of another upload, for ten seconds. Most of
an idle gateway is the program itself: pages of the file, which the system may drop and which gateways on a machine share; what is its
own is told beside.
"""

UPLOADS = 10_000
CONNECTIONS = 1_000

# Each connection takes the next upload for each call. Whoever is refused would not be a request in flight.
SIGN = """
local ids, at = {{}}, 0
for id in io.lines("{ids}") do ids[#ids + 1] = id end
wrk.method, wrk.body, wrk.headers["Content-Type"] = "POST", '{body}', "application/json"
request = function()
  at = at % #ids + 1
  return wrk.format(nil, "/upload/" .. ids[at] .. "/sign")
end
"""


def run(bench):
    uploads = 500 if bench.quick else UPLOADS
    # An address may have half of the places, and all connections come from one.
    settings = {"max_in_flight": str(4 * CONNECTIONS)}
    rows = []
    with stores.embedded(bench) as store, Gateway(bench, store, settings=settings) as gateway:
        gateway.call("GET", "/readyz")
        time.sleep(2)
        idle = state(gateway)
        rows.append(row("idle", idle))
        ids = bench.folder("ids") / "ids"
        ids.write_text("".join(f"{open_upload(gateway)}\n" for _ in range(uploads)))
        rows.append(row(f"{uploads:,} open uploads", state(gateway)))
        busy = {}
        for parts in (10, 100):
            body = json.dumps({"parts": list(range(1, parts + 1))})
            made = load.wrk(bench, gateway.url, SIGN.format(ids=ids, body=body), connections=CONNECTIONS,
                            seconds=3 if bench.quick else 10)
            if made.failures:
                raise RuntimeError(f"{made.failures} of {made.calls} calls failed")
            busy[parts] = state(gateway)
            note = f"{made.calls / made.seconds:,.0f} calls a second, p50 {made.p50_ms:.0f} ms"
            rows.append(row(f"… and {CONNECTIONS:,} sign calls of {parts} parts under way", busy[parts], note))
    columns = [
        {"key": "rss", "title": "resident", "unit": "MiB"}, {"key": "peak", "title": "highest", "unit": "MiB"},
        {"key": "own", "title": "its own", "unit": "MiB"},
    ]
    goals = [
        goal("memory-idle", "memory of an idle gateway", idle["peak"], 30),
        goal("memory-busy", f"memory with {uploads:,} open uploads and {CONNECTIONS:,} requests in flight",
             busy[10]["peak"], 100),
    ]
    bars = [{"name": f"partgate, {each['name']}", "value": each["values"]["peak"]} for each in rows]
    plots = [{"file": "memory.svg", "title": "Highest resident memory", "bars": bars, "unit": "MiB", "log": False}]
    return {"columns": columns, "rows": rows, "goals": goals, "plots": plots}


def open_upload(gateway):
    """With its multipart upload, which is opened when the first URL is asked for."""
    return gateway.call("POST", "/upload/init", {"filename": "file.bin", "size": 1 << 30, "sign": 4})["upload_id"]


def state(gateway):
    lines = (line.split() for line in open(f"/proc/{gateway.process.pid}/status"))
    own = next(int(line[1]) for line in lines if line[0] == "RssAnon:")
    return {"rss": gateway.process.rss_mib(), "peak": gateway.process.peak_mib(), "own": own / 1024}


def row(name, values, note=""):
    return {"name": name, "values": values, "note": note}


def goal(name, title, value, target):
    return {"name": name, "title": title, "value": value, "target": target, "better": "lower", "unit": "MiB", "reason": ""}
