"""POST sign over HTTP, as fast as a server goes and at a fixed rate."""

import random
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from lib import Missing, stores
from lib.load import wrk
from lib.rate import vegeta
from peers import Peer
from peers.contenders import PARTS, Companion, Express, Partgate, PartgateOnPostgres, Request

TITLE = "Signing over HTTP"
ABOUT = """
A server hands out presigned URLs of parts, one or 100 a call, on 16 kept connections. Each signs for 16 open uploads
of 5,000 parts, at random places of them. *CPU* is the user and system time of the server's process, and of
PostgreSQL's where it asks one, for 1,000 URLs; calls and the times *at full speed* are of the same runs, in which
`wrk` asks again as soon as it has an answer and takes a part of the two cores for itself. In turns, medians. *At a
rate* are the times that callers see of a server that is not overloaded: `vegeta` sends when a call is due, 1,000 a
second of one URL and 200 a second of 100, or half of what the server reached where it reaches less. Companion and
Express run as one process with `NODE_ENV=production`; they keep nothing about an upload and check nothing. partgate
looks the upload up in its database, SQLite unless it says otherwise, and binds every URL to the length of its part.
Before that, a part is sent to the store by a URL of each.
"""

CONNECTIONS = 16
UPLOADS = 16
# URLs a call, and calls a second where the rate is fixed.
SIZES = {1: 1_000, 100: 200}
# Times less CPU than the best of the others, and milliseconds.
CPU_GOALS = {1: 30, 100: 100}
P99_GOALS = {1: 2, 100: 5}
COLUMNS = [
    {"key": "urls", "title": "URLs a call", "unit": ""},
    {"key": "cpu", "title": "CPU for 1,000 URLs", "unit": "ms"},
    {"key": "calls", "title": "calls at full speed", "unit": "1/s"},
    {"key": "p50", "title": "p50", "unit": "ms"},
    {"key": "p99", "title": "p99", "unit": "ms"},
    {"key": "rate", "title": "at a rate", "unit": "1/s"},
    {"key": "rate_p50", "title": "p50", "unit": "ms"},
    {"key": "rate_p99", "title": "p99", "unit": "ms"},
]


@dataclass
class Case:
    """One server with one size of calls, and what was measured of it."""

    contender: object
    size: int
    requests: list
    cpu_ms: list = field(default_factory=list)
    loads: list = field(default_factory=list)
    rates: list = field(default_factory=list)
    shares: dict = field(default_factory=dict)

    def values(self):
        at_full_speed = {
            "urls": self.size, "cpu": median(self.cpu_ms), "calls": self.calls_per_second(),
            "p50": median(load.p50_ms for load in self.loads), "p99": median(load.p99_ms for load in self.loads),
        }
        if not self.rates:
            return at_full_speed
        return {
            **at_full_speed, "rate": self.rate(), "rate_p50": median(rate.p50_ms for rate in self.rates),
            "rate_p99": median(rate.p99_ms for rate in self.rates),
        }

    def calls_per_second(self):
        return median(load.calls / load.seconds for load in self.loads)

    def rate(self):
        """What it bears without a queue, and no more than asked for."""
        return min(SIZES[self.size], max(1, round(self.calls_per_second() / 2)))

    def note(self):
        shares = [f"{share:.0%} of the CPU is {name}'s" for name, share in self.shares.items() if name]
        return "; ".join(filter(None, [self.contender.note, *shares]))


def run(bench):
    rounds, seconds = (1, 2) if bench.quick else (3, 4)
    with ExitStack() as stack:
        contenders = start(bench, stack)
        cases = [case(contender, size) for contender in contenders for size in SIZES]
        floor = Case(contenders[0], 1, [Request("GET", "/healthz")])
        for each in cases:
            if isinstance(each.contender.server, Peer):
                warm_up(bench, each, 1 if bench.quick else 8)
        for _ in range(rounds):
            for each in [*cases, floor]:
                full_speed(bench, each, seconds)
        # No goal needs the others' times at a rate.
        calm = [each for each in cases if isinstance(each.contender, Partgate)] if bench.quick else cases
        for _ in range(rounds):
            for each in calm:
                at_a_rate(bench, each, seconds)
    rows = [{"name": each.contender.name, "values": each.values(), "note": each.note()} for each in cases]
    idle = {"name": "partgate, GET /healthz", "values": {**floor.values(), "urls": None},
            "note": "1,000 calls that do nothing: what HTTP costs"}
    plots = [plot(rows, size) for size in SIZES]
    return {"columns": COLUMNS, "rows": [*rows, idle], "goals": goals(rows, idle["values"]["cpu"]), "plots": plots}


def start(bench, stack):
    """The servers, all of them at once: who is not asked does nothing."""
    store = stack.enter_context(stores.embedded(bench))
    kinds = [Partgate, Express] if bench.quick else [Partgate, PartgateOnPostgres, Companion, Express]
    contenders = []
    for kind in kinds:
        try:
            contender = stack.enter_context(kind(bench, store))
        except Missing as missing:
            if kind is not PartgateOnPostgres:
                raise
            bench.log(f"SKIP {kind.name}: {missing}")
            continue
        contender.prove()
        contenders.append(contender)
    return contenders


def case(contender, size):
    chance = random.Random(size)
    uploads = [contender.open() for _ in range(UPLOADS)]
    requests = []
    for upload in uploads * 20:
        first = chance.randint(1, PARTS - size + 1)
        requests.append(contender.request(upload, list(range(first, first + size))))
    return Case(contender, size, requests)


def warm_up(bench, each, times):
    """Until it becomes no faster: Node compiles for seconds what it runs often."""
    before = 0
    for _ in range(times):
        load = wrk(bench, each.contender.url, script(each.requests), connections=CONNECTIONS, seconds=2)
        settle(each.contender)
        if load.calls < 1.1 * before:
            break
        before = load.calls


def full_speed(bench, each, seconds):
    processes = each.contender.processes
    before = {name: process.cpu_seconds() for name, process in processes.items()}
    load = wrk(bench, each.contender.url, script(each.requests), connections=CONNECTIONS, seconds=seconds)
    # A server works on for those who have hung up. Their calls count as answered, one a connection.
    settle(each.contender)
    spent = {name: process.cpu_seconds() - before[name] for name, process in processes.items()}
    answered(each, load)
    cpu = sum(spent.values())
    each.loads.append(load)
    each.cpu_ms.append(cpu * 1e6 / ((load.calls + CONNECTIONS) * each.size))
    each.shares = {name: spent[name] / cpu for name in spent}
    bench.log(f"{each.contender.name}, {each.size} a call: {each.cpu_ms[-1]:.3g} ms of CPU for 1,000 URLs, "
              f"{load.calls / load.seconds:.0f} calls/s, p99 {load.p99_ms:.2f} ms")


def at_a_rate(bench, each, seconds):
    url = each.contender.url
    requests = [(request.method, url + request.path, request.body) for request in each.requests]
    rate = vegeta(bench, requests, calls_per_second=each.rate(), seconds=seconds, connections=CONNECTIONS)
    answered(each, rate)
    each.rates.append(rate)
    bench.log(f"{each.contender.name}, {each.size} a call, {each.rate()}/s: p50 {rate.p50_ms:.2f} ms, "
              f"p99 {rate.p99_ms:.2f} ms")


def answered(each, load):
    if load.failures:
        raise RuntimeError(f"{each.contender.name} failed {load.failures} of {load.calls} calls")


def settle(contender, patience_seconds=30):
    """Waits until a server has come to rest."""
    deadline = time.monotonic() + patience_seconds
    last = -1.0
    while (now := contender.cpu_seconds()) > last + 0.02 and time.monotonic() < deadline:
        last = now
        time.sleep(0.3)


def script(requests):
    """wrk's: the requests in turns, each made once."""
    made = "\n".join(f"  requests[{index}] = wrk.format({lua(request.method)}, {lua(request.path)}, nil, "
                     f"{lua(request.body)})" for index, request in enumerate(requests, 1))
    return f"""
wrk.headers["Content-Type"] = "application/json"
local requests, last = {{}}, 0
function init()
{made}
end
function request()
  last = last % #requests + 1
  return requests[last]
end
"""


def lua(text):
    return "nil" if text is None else f"[==[{text}]==]"


def goals(rows, floor_ms):
    by_size = {size: [row for row in rows if row["values"]["urls"] == size] for size in SIZES}
    return [goal for size in SIZES for goal in goals_of(size, by_size[size], floor_ms)]


def goals_of(size, rows, floor_ms):
    ours = next(row["values"] for row in rows if row["name"] == Partgate.name)
    best = min((row for row in rows if not row["name"].startswith(Partgate.name)), key=lambda row: row["values"]["cpu"])
    calls = "1 URL a call" if size == 1 else f"{size} URLs a call"
    ratio = best["values"]["cpu"] / ours["cpu"]
    return [
        {"name": f"sign-http-cpu-{size}", "title": f"CPU of signing over HTTP, {calls}, beside {best['name']}",
         "value": ratio, "target": CPU_GOALS[size], "better": "higher", "unit": "×",
         "reason": "" if ratio >= CPU_GOALS[size] else reason(size, ours["cpu"], best["values"]["cpu"], floor_ms)},
        {"name": f"sign-http-p99-{size}", "title": f"p99 of signing over HTTP, {calls}, {ours['rate']} calls a second",
         "value": ours["rate_p99"], "target": P99_GOALS[size], "better": "lower", "unit": "ms", "reason": ""},
    ]


# By `perf record` of the release binary under the load of the goal.
PROFILES = {1: "; of the call, sockets and wake-ups in the kernel are 39%, hyper, axum and tokio 16%, memory 12%, SQLite's read 8%, "
               "spans and metrics 5%, signing 1.4%"}


def reason(size, ours_ms, best_ms, floor_ms):
    """Of a call, how much is HTTP alone, beside what the goal leaves for all of it."""
    call_us, goal_us = (each * size for each in (ours_ms, best_ms / CPU_GOALS[size]))
    return (f"a call costs {call_us:.0f} µs and may cost {goal_us:.0f}; one that does nothing (`/healthz`) costs "
            f"{floor_ms:.0f} µs{PROFILES.get(size, '')}")


def plot(rows, size):
    calls = "one URL" if size == 1 else f"{size} URLs"
    bars = [{"name": row["name"], "value": row["values"]["cpu"]} for row in rows if row["values"]["urls"] == size]
    return {"file": f"sign-http-{size}.svg", "title": f"CPU for 1,000 URLs, calls of {calls} (logarithmic)",
            "bars": bars, "unit": "ms", "log": True}
