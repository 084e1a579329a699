"""The page of results, and results beside those that are written down."""

from lib import plot
from lib.reasons import REASONS

HEAD = """# Benchmarks

partgate beside what a team would use instead, measured in one sitting on one machine by `make bench`, which installs the
others, runs everybody in turns and writes this page. Ratios travel to other machines; times do not. `make bench-quick`
prints today's ratios beside these. What is not reached is told with the reason.

"""


def write(results, folder):
    """docs/benchmarks.md and its plots."""
    text = HEAD + goals(results)
    plots = folder / "benchmarks"
    plots.mkdir(exist_ok=True)
    for name, result in results.items():
        text += section(name, result, plots)
    (folder / "benchmarks.md").write_text(text)


def goals(results):
    lines = ["## Goals", "", "| what | reached | goal | |", "|---|---:|---:|---|"]
    for result in results.values():
        for goal in result["goals"]:
            reason = goal["reason"] or REASONS.get(goal["name"], "see below")
            verdict = "yes" if is_met(goal) else f"**no**: {reason}"
            sign = "≥" if goal["better"] == "higher" else "≤"
            lines.append(f"| {goal['title']} | {number(goal['value'])}{unit(goal)} "
                         f"| {sign} {number(goal['target'])}{unit(goal)} | {verdict} |")
    return "\n".join(lines) + "\n\n"


def is_met(goal):
    return goal["value"] >= goal["target"] if goal["better"] == "higher" else goal["value"] <= goal["target"]


def section(name, result, plots):
    machine = result["machine"]
    lines = [f"## {result['title']}", "", result["about"].strip(), "", *table(result)]
    for each in result.get("plots", []):
        (plots / each["file"]).write_text(plot.svg(each))
        lines += ["", f"![{each['title']}](benchmarks/{each['file']})"]
    lines += ["", f"`make bench ONLY={name}`, {machine['date']}, {machine['commit']}: {machine['cores']} cores of "
              f"{machine['cpu']}, {machine['memory_gib']} GiB, Linux {machine['kernel']}, {machine['rust']}, "
              f"Node {machine['node']}; load before: {machine['load_before']}{stolen(machine)}.", "", ""]
    return "\n".join(lines)


def stolen(machine):
    """What a host has kept for others makes times and CPU longer, and not for everyone alike."""
    return f"; taken away by the host: {machine['stolen_percent']}% of the processors' time" if "stolen_percent" in machine else ""


def table(result):
    columns = result["columns"]
    titles = [f"{column['title']}, {column['unit']}" if column["unit"] else column["title"] for column in columns]
    has_notes = any(row.get("note") for row in result["rows"])
    lines = [f"| | {' | '.join(titles)} |{' |' if has_notes else ''}",
             f"|---|{'---:|' * len(columns)}{'---|' if has_notes else ''}"]
    for row in result["rows"]:
        cells = [number(row["values"].get(column["key"])) for column in columns]
        note = f" {row.get('note', '')} |" if has_notes else ""
        lines.append(f"| {row['name']} | {' | '.join(cells)} |{note}")
    return lines


def number(value):
    """Three digits that count."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3 if size >= 0.1 else 4
    return f"{value:,.{digits}f}"


def unit(goal):
    return goal["unit"] if goal["unit"] in ("", "×") else f" {goal['unit']}"


def compare(known, measured):
    """Today's ratios beside those that are written down. A quick run is rough: a fifth is noise, and what has a smaller
    load than the written one, and says so in its title, is not judged."""
    print(f"{'':58} {'now':>10} {'written':>10} {'goal':>10}")
    for name, result in measured.items():
        written = {goal["name"]: goal for goal in known.get(name, {}).get("goals", [])}
        for goal in result["goals"]:
            before = written.get(goal["name"])
            print(f"{goal['title'][:58]:58} {number(goal['value']):>10} {number(before and before['value']):>10} "
                  f"{number(goal['target']):>10} {change(goal, before)}")


def change(goal, before):
    if not before or not before["value"] or not goal["value"]:
        return ""
    if before["title"] != goal["title"]:
        return "a smaller load"
    ratio = goal["value"] / before["value"]
    better = ratio if goal["better"] == "higher" else 1 / ratio
    return "" if 0.8 <= better <= 1.25 else "better" if better > 1 else "WORSE"
