# SPDX-License-Identifier: GPL-2.0
"""SVG plots: lines over a logarithmic axis with a band from minimum to maximum, and horizontal bars."""

import html
import math

COLOURS = ("#b0552b", "#23688c", "#4f7d3a", "#7a4b8c", "#a08a1c")
STYLE = "font-family='sans-serif' font-size='12' fill='#222'"


def _svg(width, height, parts):
    head = (f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' "
            f"width='{width}' height='{height}' {STYLE}>")
    return "\n".join([head, f"<rect width='{width}' height='{height}' fill='#fff'/>", *parts, "</svg>"]) + "\n"


def _text(x, y, text, anchor="start", extra=""):
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' {extra}>{html.escape(text)}</text>"


def _width(text):
    """Approximate width of a text, rounded up."""
    return 7 * len(text)


def _step(top):
    """A round step that divides 0..top into 4 to 10 parts."""
    step = 10 ** math.floor(math.log10(top))
    return step / 5 if top / step < 2 else step / 2 if top / step < 5 else step


def _legend(names, x, y):
    for colour, name in zip(COLOURS, names):
        yield f"<rect x='{x}' y='{y - 10}' width='12' height='12' fill='{colour}'/>"
        yield _text(x + 18, y, name)
        x += 45 + _width(name)


def lines(title, x_label, y_label, series):
    """series: name -> [(x, middle, low, high)]; x values should be roughly powers of ten."""
    width, height, left, top, bottom = 640, 360, 60, 60, 50
    points = [point for line in series.values() for point in line]
    # Half of the last label extends past the axis.
    right = 10 + _width(f"{max(point[0] for point in points):,}") / 2
    y_max = max(point[3] for point in points) * 1.05
    log_min = math.log10(min(point[0] for point in points))
    log_max = math.log10(max(point[0] for point in points))

    def at(x, y):
        return (left + (math.log10(x) - log_min) / (log_max - log_min) * (width - left - right),
                height - bottom - y / y_max * (height - top - bottom))

    parts = [_text(left, 24, title, extra="font-weight='bold'"), *_legend(series, left, 46)]
    step = _step(y_max)
    for i in range(int(y_max / step) + 1):
        _, y = at(points[0][0], i * step)
        parts.append(f"<line x1='{left}' x2='{width - right:.1f}' y1='{y:.1f}' y2='{y:.1f}' stroke='#ddd'/>")
        parts.append(_text(left - 6, y + 4, f"{i * step:g}", "end"))
    for x_value in sorted({point[0] for point in points}):
        x, _ = at(x_value, 0)
        parts.append(_text(x, height - bottom + 18, f"{x_value:,}", "middle"))
    parts.append(_text((left + width - right) / 2, height - 10, x_label, "middle"))
    parts.append(_text(14, top - 8, y_label))
    for colour, line in zip(COLOURS, series.values()):
        band = [at(x, high) for x, _, _, high in line] + [at(x, low) for x, _, low, _ in reversed(line)]
        parts.append(f"<polygon points='{' '.join(f'{x:.1f},{y:.1f}' for x, y in band)}' fill='{colour}' opacity='0.2'/>")
        middle = [at(x, y) for x, y, _, _ in line]
        parts.append(f"<polyline points='{' '.join(f'{x:.1f},{y:.1f}' for x, y in middle)}' fill='none' "
                     f"stroke='{colour}' stroke-width='2'/>")
        parts.extend(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3' fill='{colour}'/>" for x, y in middle)
    return _svg(width, height, parts)


def bars(title, unit, groups):
    """groups: [(name, {series: value})]; a group may lack some of the series."""
    width, right, top, bar, gap = 640, 70, 60, 14, 12
    names = list(dict.fromkeys(series for _, values in groups for series in values))
    left = 20 + max((_width(name) for name, _ in groups), default=0)
    group_height = bar * len(names) + gap
    height = top + group_height * len(groups) + 10
    longest = max((value for _, values in groups for value in values.values()), default=1)
    parts = [_text(14, 24, f"{title} ({unit})", extra="font-weight='bold'"), *_legend(names, left, 46)]
    for g, (name, values) in enumerate(groups):
        y = top + g * group_height
        parts.append(_text(left - 8, y + bar * len(names) / 2 + 4, name, "end"))
        for i, value in ((i, values[series]) for i, series in enumerate(names) if series in values):
            length = value / longest * (width - left - right)
            parts.append(f"<rect x='{left}' y='{y + i * bar}' width='{length:.1f}' height='{bar - 2}' fill='{COLOURS[i]}'/>")
            parts.append(_text(left + length + 5, y + i * bar + 10, f"{value:,.0f}", extra="font-size='10'"))
    return _svg(width, height, parts)
