"""Drawings for the HTML report as inline SVG: what a cabinet's lamps did, and how long each hop takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from stopline_hil.reports.model import Change, Timeline

WIDTH, LEFT, ROW, GAP = 900, 130, 14, 3
ASPECTS = {-1: "#555a60", 0: "#c8493a", 1: "#e8b93a", 2: "#8fd0a8", 3: "#2e9e5b", 4: "#222", 5: "#f0e0a0"}
"""Colours by lamp: red, yellow, permissive, green; dark and flashing."""
STATES = {
    "remote": "#3b6fb6",
    "local": "#9aa4af",
    "foreign": "#a34fb0",
    "manual": "#d9832b",
    "preempt": "#7a4fb0",
    "flash": "#f0d060",
    "startup": "#6b7580",
    "off": "#222222",
}
TEXT = 'font-size="11" font-family="system-ui, sans-serif" fill="#1b1f24"'


def timeline(shown: Timeline) -> str:
    """States and lamps over time; the shaded part is where the fault was."""
    begin, end = max(shown.began - 100, shown.changes[0].at), max(shown.until, shown.ended + 50)
    scale = (WIDTH - LEFT) / max(end - begin, 1)
    rows = ["state", *shown.groups]
    height = len(rows) * (ROW + GAP) + 22

    def at(tenths: int) -> float:
        return LEFT + scale * (min(max(tenths, begin), end) - begin)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" width="100%" role="img" aria-label="timeline">',
        f'<rect x="{at(shown.began):.1f}" y="0" width="{at(shown.ended) - at(shown.began):.1f}" '
        f'height="{height - 18}" fill="#fbe3df"/>',
    ]
    for row, name in enumerate(rows):
        y = row * (ROW + GAP)
        parts.append(f'<text x="0" y="{y + 11}" {TEXT}>{escape(name[:20])}</text>')
        for first, last, value in _spans(shown.changes, row - 1, end):
            if last <= begin:
                continue
            colour = STATES.get(str(value), "#999") if row == 0 else ASPECTS.get(int(value), "#999")
            x, width = at(first), max(at(last) - at(first), 0.5)
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW}" fill="{colour}">'
                f"<title>{escape(str(value))} {(first - shown.began) / 10:.1f} s to "
                f"{(last - shown.began) / 10:.1f} s</title></rect>"
            )
    for second in range(-(-(begin - shown.began) // 100) * 10, (end - shown.began) // 10 + 1, 10):
        x = at(shown.began + second * 10)
        parts.append(f'<text x="{x:.1f}" y="{height - 5}" text-anchor="middle" {TEXT}>{second} s</text>')
    return "".join(parts) + "</svg>"


def histogram(samples: Sequence[float]) -> str:
    """How samples (ms) are spread, up to their p99; p50 and p99 are marked."""
    ordered = sorted(samples)
    p50, p99 = (ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in (0.5, 0.99))
    top, bins, height = max(p99 * 1.1, 0.001), 60, 110
    counts = [0] * bins
    for sample in ordered:
        if sample < top:
            counts[int(sample / top * bins)] += 1
    wide = WIDTH / bins
    parts = [f'<svg viewBox="0 0 {WIDTH} {height + 20}" width="100%" role="img" aria-label="histogram">']
    for number, count in enumerate(counts):
        tall = height * count / max(counts)
        parts.append(
            f'<rect x="{number * wide:.1f}" y="{height - tall:.1f}" width="{wide - 1:.1f}" '
            f'height="{tall:.1f}" fill="#3b6fb6"><title>{count}</title></rect>'
        )
    for name, value in (("p50", p50), ("p99", p99)):
        x = WIDTH * value / top
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}" stroke="#c8493a"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{height + 14}" text-anchor="middle" {TEXT}>{name} {value:.1f} ms</text>'
        )
    return "".join(parts) + "</svg>"


def _spans(changes: Sequence[Change], group: int, end: int) -> Iterator[tuple[int, int, int | str]]:
    """Runs of one value: of the state (group -1) or of a group's lamp."""

    def value(change: Change) -> int | str:
        return change.state if group < 0 else change.aspects[group]

    first, now = changes[0].at, value(changes[0])
    for change in changes[1:]:
        if value(change) != now:
            yield first, change.at, now
            first, now = change.at, value(change)
    yield first, end, now
