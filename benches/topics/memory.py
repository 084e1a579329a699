"""What a gateway holds in memory, idle and at work."""

import json
import time

from lib import Missing, load, stores
from lib.gateway import Gateway
from peers import Peer
from peers.contenders import Companion, Express

TITLE = "Memory"
ABOUT = """
Resident memory (`VmRSS`; the highest of a run is `VmHWM`) of `partgate serve` on SQLite, before the embedded store in a process of its
own: idle, two seconds after it is ready; then with 10,000 open multipart uploads, which the API has opened one after the other; then
with 1,000 connections that all have a sign call under way, each for another upload than the last, for ten seconds. Most of an idle
gateway is the program itself: pages of its file, which the system may drop, and which gateways on a machine share; what is its own is
told beside. The others are asked for the URLs of one upload, by as many connections.
"""

UPLOADS = 10_000
CONNECTIONS = 1_000

# Each call takes the next upload.
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
    seconds = 3 if bench.quick else 10
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
                            seconds=seconds)
            if made.failures:
                raise RuntimeError(f"{made.failures} of {made.calls} calls failed")
            busy[parts] = state(gateway)
            note = f"{made.calls / made.seconds:,.0f} calls a second, p50 {made.p50_ms:.0f} ms"
            rows.append(row(f"… and {CONNECTIONS:,} sign calls of {parts} parts under way", busy[parts], note))
        own = list(rows)
        if not bench.quick:
            rows += others(bench, store, seconds)
    columns = [
        {"key": "rss", "title": "resident", "unit": "MiB"}, {"key": "peak", "title": "highest", "unit": "MiB"},
        {"key": "own", "title": "its own", "unit": "MiB"},
    ]
    goals = [
        goal("memory-idle", "memory of an idle gateway", idle["peak"], 30),
        goal("memory-busy", f"memory with {uploads:,} open uploads and {CONNECTIONS:,} requests in flight",
             busy[10]["peak"], 100),
    ]
    bars = [{"name": f"partgate, {each['name']}" if each in own else each["name"], "value": each["values"]["peak"]} for each in rows]
    plots = [{"file": "memory.svg", "title": "Highest resident memory", "bars": bars, "unit": "MiB", "log": False}]
    return {"columns": columns, "rows": rows, "goals": goals, "plots": plots}


def others(bench, store, seconds):
    """What a team would run instead; none where the machine cannot."""
    rows = []
    try:
        for kind in (Express, Companion):
            with kind(bench, store) as contender:
                upload = contender.open()
                time.sleep(2)
                rows.append(row(f"{kind.name}, idle", state(contender.server), kind.note))
                asked = contender.request(upload, list(range(1, 11)))
                script = f"wrk.method, wrk.path, wrk.headers['Content-Type'] = '{asked.method}', '{asked.path}', 'application/json'\n"
                script += f"wrk.body = '{asked.body}'\n" if asked.body else ""
                made = load.wrk(bench, contender.url, script, connections=CONNECTIONS, seconds=seconds)
                note = f"{made.calls / made.seconds:,.0f} calls a second"
                rows.append(row(f"{kind.name}, {CONNECTIONS:,} sign calls of 10 parts under way", state(contender.server), note))
        with Peer(bench, "tus", store) as tus:
            time.sleep(2)
            rows.append(row("@tus/server + @tus/s3-store, idle", state(tus)))
    except Missing as missing:
        bench.log(f"without the others: {missing}")
    return rows


def open_upload(gateway):
    """With its multipart upload, which is opened when the first URL is asked for."""
    return gateway.call("POST", "/upload/init", {"filename": "file.bin", "size": 1 << 30, "sign": 4})["upload_id"]


def state(server):
    lines = (line.split() for line in open(f"/proc/{server.process.pid}/status"))
    own = next(int(line[1]) for line in lines if line[0] == "RssAnon:")
    return {"rss": server.process.rss_mib(), "peak": server.process.peak_mib(), "own": own / 1024}


def row(name, values, note=""):
    return {"name": name, "values": values, "note": note}


def goal(name, title, value, target):
    return {"name": name, "title": title, "value": value, "target": target, "better": "lower", "unit": "MiB", "reason": ""}
