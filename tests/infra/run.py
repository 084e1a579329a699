"""Runs the tests of infra/ and of the documents about it.

    run.py [--partgate FILE] [AREA…]      an area is a file beside this one: terraform is test_terraform.py

A tool that this machine lacks (scripts/tools.sh installs them) skips the tests that need it, and says so; with
REQUIRE_ALL=1 that is a failure.
"""

import argparse
import os
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main():
    arguments = parse()
    use_python_of_tools()
    if arguments.partgate:
        os.environ["TEST_PARTGATE"] = str(Path(arguments.partgate).resolve())
    sys.path.insert(0, str(HERE))
    suite = unittest.TestSuite(
        unittest.defaultTestLoader.discover(str(HERE), pattern=f"test_{area}.py") for area in arguments.areas or ["*"]
    )
    if not suite.countTestCases():
        sys.exit(f"infra: there are no tests of {', '.join(arguments.areas)}")
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    for reason in sorted({reason for _, reason in result.skipped}):
        print(f"SKIP infra: {reason}", file=sys.stderr)
    sys.exit(not result.wasSuccessful())


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--partgate", help="the command under test (default: target/debug/partgate)")
    parser.add_argument("areas", nargs="*", metavar="AREA")
    return parser.parse_args()


def use_python_of_tools():
    """Goes on in the Python that checkov is installed in: it brings the parsers that tests need."""
    from support import find

    checkov = find("checkov")
    if not checkov:
        return
    folder = checkov.resolve().parent
    # A virtual environment is known by its prefix; its python is a link to the one that made it.
    if folder.parent != Path(sys.prefix).resolve() and (folder / "python").exists():
        os.execv(folder / "python", [str(folder / "python"), "-B", *sys.argv])


if __name__ == "__main__":
    main()
