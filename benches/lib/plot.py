"""Charts as SVG that reads on light and dark pages."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 76, 150, 40, 48
# Okabe and Ito's colours, which people tell apart whatever their eyes.
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999"]
STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #333 } .title { font-size: 14px; font-weight: 600 }
.grid { stroke: #8884; stroke-width: 1 } .axis { stroke: #888 }
@media (prefers-color-scheme: dark) { text { fill: #ccc } }
</style>"""


def svg(chart):
    return bars(chart) if "bars" in chart else lines(chart)


def lines(chart):
    points = [point for series in chart["series"] for point in series["points"]]
    x = Axis(chart["x"], [point[0] for point in points], LEFT, WIDTH - RIGHT)
    y = Axis(chart["y"], [point[1] for point in points], HEIGHT - BOTTOM, TOP)
    parts = [f'<text class="title" x="{LEFT}" y="20">{escape(chart["title"])}</text>']
    for tick in x.ticks:
        at = x.place(tick)
        parts.append(f'<line class="grid" x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{short(tick)}</text>')
    for tick in y.ticks:
        at = y.place(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{short(tick)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(chart["x"]["label"])}</text>')
    parts.append(f'<text transform="translate(16 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
                 f'{escape(chart["y"]["label"])}</text>')
    for index, series in enumerate(chart["series"]):
        colour = COLOURS[index % len(COLOURS)]
        places = [(x.place(a), y.place(b)) for a, b in series["points"]]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
        level = TOP + 8 + 18 * index
        parts.append(f'<rect x="{WIDTH - RIGHT + 14}" y="{level - 9}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 30}" y="{level}">{escape(series["name"])}</text>')
    return document(parts, HEIGHT)


def bars(chart):
    height = TOP + 26 * len(chart["bars"]) + 12
    left, right = 230, 110
    axis = Axis({"log": chart.get("log", False)}, [bar["value"] for bar in chart["bars"]], left, WIDTH - right, from_zero=True)
    parts = [f'<text class="title" x="16" y="20">{escape(chart["title"])}</text>']
    for index, bar in enumerate(chart["bars"]):
        top = TOP + 26 * index
        colour = COLOURS[0] if bar["name"].startswith("partgate") else COLOURS[-1]
        end = max(axis.place(bar["value"]), left + 2)
        parts.append(f'<text x="{left - 8}" y="{top + 14}" text-anchor="end">{escape(bar["name"])}</text>')
        parts.append(f'<rect x="{left}" y="{top}" width="{end - left:.1f}" height="18" fill="{colour}"/>')
        parts.append(f'<text x="{end + 6:.1f}" y="{top + 14}">{short(bar["value"])} {escape(chart["unit"])}</text>')
    return document(parts, height)


def document(parts, height):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">\n{STYLE}\n'
            + "\n".join(parts) + "\n</svg>\n")


class Axis:
    """Values to places between `start` and `end`; `ticks` at round values."""

    def __init__(self, description, values, start, end, from_zero=False):
        self.is_log = description.get("log", False)
        self.start, self.end = start, end
        positive = [value for value in values if value > 0] or [1]
        if self.is_log:
            self.low = math.floor(math.log10(min(positive)))
            self.high = max(math.ceil(math.log10(max(positive))), self.low + 1)
            self.ticks = [10.0**power for power in range(self.low, self.high + 1)]
        else:
            step = nice(max(positive) / 5)
            self.low, self.high = 0, step * math.ceil(max(positive) / step)
            self.ticks = [step * index for index in range(round(self.high / step) + 1)]
            if from_zero:
                self.high = max(positive)

    def place(self, value):
        at = math.log10(max(value, 10.0**self.low)) if self.is_log else value
        return self.start + (at - self.low) / (self.high - self.low) * (self.end - self.start)


def nice(step):
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if step <= power * factor * 1.0001)


def short(value):
    if value >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 1_000 else f"{value:.0f}"
