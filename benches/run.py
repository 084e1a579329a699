#!/usr/bin/env python3
"""Measures partgate beside what a user would pick instead, in one run, and writes down what was found.

    benches/run.py                     all topics; writes docs/benchmarks.md, docs/benchmarks.json and docs/benchmarks/*.svg
    benches/run.py signer growth       these topics only; the others' results stay as they were written down
    benches/run.py --page              measures nothing: the page and the plots again, from docs/benchmarks.json
    benches/run.py --quick             in under three minutes: the ratios now beside those that are written down; writes nothing

`make bench` and `make bench-quick` run it. Nothing fails because it is slow: it is told.
"""

import argparse
import importlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from lib import Missing, machine, report  # noqa: E402

REPOSITORY = HERE.parent
RESULTS = REPOSITORY / "docs" / "benchmarks.json"
# In the order of the page.
TOPICS = ["signer", "sign_http", "urls", "transfer", "parts", "memory", "embedded", "start", "growth"]


class Bench:
    """What a topic is given."""

    def __init__(self, work, quick):
        self.work = work
        self.quick = quick
        self.repository = REPOSITORY
        self.partgate = REPOSITORY / "target" / "release" / "partgate"

    def folder(self, name):
        """A new directory below `work`."""
        return pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.work))

    @staticmethod
    def log(text):
        print(f"  {text}", file=sys.stderr, flush=True)


def measure(name, quick):
    """A topic's results, or why there are none."""
    topic = importlib.import_module(f"topics.{name}")
    print(f"{topic.TITLE}", file=sys.stderr, flush=True)
    started, watch = time.monotonic(), machine.Watch()
    with tempfile.TemporaryDirectory(prefix=f"partgate-bench-{name}-") as work:
        try:
            result = topic.run(Bench(pathlib.Path(work), quick))
        except Missing as missing:
            print(f"  SKIP: {missing}", file=sys.stderr)
            return None
        except Exception:
            traceback.print_exc()
            print(f"  FAILED: {name}", file=sys.stderr)
            return None
    seconds = time.monotonic() - started
    print(f"  {seconds:.0f} s", file=sys.stderr, flush=True)
    return {"title": topic.TITLE, "about": topic.ABOUT, "machine": machine.facts(REPOSITORY, watch), **result}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("topics", nargs="*", choices=[*TOPICS, []], help="only these")
    parser.add_argument("--quick", action="store_true", help="compare with what is written down, and write nothing")
    parser.add_argument("--page", action="store_true", help="write the page again, and measure nothing")
    arguments = parser.parse_args()
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if arguments.page:
        report.write(known, REPOSITORY / "docs")
        return 0
    names = arguments.topics or TOPICS
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=REPOSITORY, check=True)
    measured = {name: measure(name, arguments.quick) for name in names}
    failed = [name for name, result in measured.items() if result is None]
    measured = {name: result for name, result in measured.items() if result}
    if arguments.quick:
        report.compare(known, measured)
    else:
        results = {name: result for name in TOPICS if (result := measured.get(name) or known.get(name))}
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        report.write(results, REPOSITORY / "docs")
        print(f"written: {RESULTS.relative_to(REPOSITORY)} and the page of it, docs/benchmarks.md")
    if failed:
        print(f"not measured: {', '.join(failed)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
