"""CPU of one presigned part URL."""

import json
import subprocess

TITLE = "Signing part URLs"
ABOUT = """
What the signature of one part URL costs, in nanoseconds of CPU on one thread: in a batch of 1,000 (all that the batch needs,
divided by 1,000) and one alone. `benches/signer` lets partgate's signer, the presigner of aws-sdk-s3, the aws-sigv4 crate below
it and rusty-s3 sign the same parts in turns, after it has seen that all reach the same signatures; printed are medians. Bound by
the URL are the part's length, or its length and its SHA-256. The limit is the SHA-256 compressions in which the URL of one part
differs from the next one's, done by the sha2 crate, as partgate does them, and nothing else.
"""

PACKAGE = "partgate-bench-signer"
SHAPES = {"length": "length", "length_and_checksum": "length and checksum"}
# The issue's: how many times the CPU that the others take.
BATCH_TARGETS = {"aws-sdk-s3": 60, "aws-sigv4": 14, "rusty-s3": 12}
SINGLE_TARGET = 10
FLOOR_TARGET = 1.5


def run(bench):
    measured = measure(bench)
    return {"columns": columns(), "rows": rows(measured), "goals": goals(measured), "plots": plots(measured)}


def measure(bench):
    """What the benchmark prints, by shape."""
    bench.log("building the signers")
    build = ["cargo", "build", "--release", "--quiet", "--package", PACKAGE]
    subprocess.run(build, cwd=bench.repository, check=True)
    rounds = 10 if bench.quick else 60
    bench.log(f"{rounds} rounds")
    binary = bench.repository / "target" / "release" / PACKAGE
    printed = subprocess.run([binary, str(rounds)], check=True, stdout=subprocess.PIPE, timeout=600).stdout
    return json.loads(printed)["shapes"]


def columns():
    return [
        {"key": f"{kind}-{shape}", "title": f"{title}, {words}", "unit": "ns"}
        for shape, words in SHAPES.items()
        for kind, title in (("batch", "in a batch"), ("single", "alone"))
    ]


def rows(measured):
    names = ["partgate", *BATCH_TARGETS]
    lines = [{"name": name, "values": {
        f"{kind}-{shape}": measured[shape]["signers"][name][f"{kind}_ns"]
        for shape in SHAPES for kind in ("batch", "single")
    }} for name in names]
    kept = {f"single-{shape}": measured[shape]["partgate_single_kept_key_ns"] for shape in SHAPES}
    lines.insert(1, {"name": "partgate, with the day's key", "values": kept,
                     "note": "as the gateway signs: it derives the signing key once a day"})
    floors = {shape: measured[shape]["floor"] for shape in SHAPES}
    counts = " and ".join(str(floor["compressions"]) for floor in floors.values())
    lines.append({"name": "limit", "values": {f"batch-{shape}": floor["ns"] for shape, floor in floors.items()},
                  "note": f"{counts} SHA-256 compressions"})
    return lines


def goals(measured):
    """Each of the shape that is worse for partgate."""
    reached = [
        goal(f"signer-batch-{peer}", f"CPU of a URL in a batch: {peer} takes", target, "higher",
             min(times(measured[shape], peer, "batch_ns") for shape in SHAPES))
        for peer, target in BATCH_TARGETS.items()
    ]
    single = min(times(measured[shape], "aws-sdk-s3", "single_ns") for shape in SHAPES)
    reached.append(goal("signer-single-aws-sdk-s3", "CPU of a single URL: aws-sdk-s3 takes", SINGLE_TARGET, "higher", single))
    floor = max(measured[shape]["signers"]["partgate"]["batch_ns"] / measured[shape]["floor"]["ns"] for shape in SHAPES)
    reached.append(goal("signer-batch-limit", "CPU of a URL in a batch, beside its SHA-256 compressions", FLOOR_TARGET,
                        "lower", floor))
    return reached


def times(shape, peer, key):
    """How many times partgate's CPU the peer takes."""
    return shape["signers"][peer][key] / shape["signers"]["partgate"][key]


def goal(name, title, target, better, value):
    return {"name": name, "title": title, "value": round(value, 2), "target": target, "better": better, "unit": "×",
            "reason": ""}


def plots(measured):
    signers = measured["length"]["signers"]
    bars = [{"name": name, "value": signers[name]["batch_ns"]} for name in ("partgate", *BATCH_TARGETS)]
    limit = {"name": "limit", "value": measured["length"]["floor"]["ns"]}
    return [{"file": "signer.svg", "title": "CPU of a part URL in a batch of 1,000", "bars": [limit, *bars],
             "unit": "ns", "log": True}]
