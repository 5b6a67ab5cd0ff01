"""The HTML report: one file, pictures inside, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from stopline_hil.reports.drawings import STATES, histogram, timeline
from stopline_hil.reports.model import Item, Report

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: auto; max-width: 64rem; padding: 1rem; color: #1b1f24 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem } summary { cursor: pointer }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } .wide { overflow-x: auto }
th, td { padding: .25rem .7rem; text-align: left; border-bottom: 1px solid #d8dee4; vertical-align: top }
.good { color: #1a7f45 } .bad { color: #b3261e; font-weight: 600 } .key span { padding: 0 .5em; color: #fff }
details { border-bottom: 1px solid #d8dee4; padding: .4rem 0 } .what { color: #656d76 }
"""


def page(report: Report) -> str:
    """The report as one HTML document."""
    passed = sum(item.passed for item in report.items)
    facts = "".join(f"<tr><th>{escape(n)}</th><td>{escape(v)}</td></tr>" for n, v in report.facts.items())
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(report.title)}</title><style>{_STYLE}</style>",
        f"<h1>{escape(report.title)}: {_mark(report.passed)}</h1>",
        f"<p>{passed} of {len(report.items)} passed.</p><table>{facts}</table>",
        "<h2>Verdicts</h2>",
        _summary(report),
        *_latencies(report),
        "<h2>Each in detail</h2>",
        _key(report),
        *(_detail(item) for item in report.items),
    ]
    return "\n".join(parts) + "\n</html>\n"


def _mark(good: bool) -> str:
    return '<span class="good">passed</span>' if good else '<span class="bad">FAILED</span>'


def _summary(report: Report) -> str:
    columns = list(dict.fromkeys(name for item in report.items for name in item.figures))
    heads = "".join(f"<th>{escape(name)}</th>" for name in ("case", "", *columns, "verdict"))
    rows = [
        f"<tr><td>{escape(item.name)}</td><td>{escape(item.kind)}</td>"
        + "".join(f"<td>{escape(item.figures.get(name, ''))}</td>" for name in columns)
        + f"<td>{_mark(item.passed)}</td></tr>"
        for item in report.items
    ]
    return f'<div class="wide"><table><tr>{heads}</tr>{"".join(rows)}</table></div>'


def _latencies(report: Report) -> Iterator[str]:
    hops = {name: samples for name, samples in report.hops.items() if samples}
    if hops:
        yield "<h2>Latency by hop</h2><p>At junctions nothing failed at, wall-clock ms.</p>"
    for name, samples in hops.items():
        yield f"<h3>{escape(name)} <small>({len(samples)} samples)</small></h3>{histogram(samples)}"


def _key(report: Report) -> str:
    if not any(item.timeline for item in report.items):
        return ""
    cells = "".join(f'<span style="background:{colour}">{name}</span> ' for name, colour in STATES.items())
    return f'<p class="key">{cells} shaded: while the fault lasted</p>'


def _detail(item: Item) -> str:
    rows = "".join(
        f"<tr><td>{_mark(v.met)}</td><td>{escape(v.requirement)}</td><td>{escape(v.detail)}</td></tr>"
        for v in item.verdicts
    )
    drawn = timeline(item.timeline) if item.timeline and item.timeline.changes else ""
    opened = "" if item.passed else " open"
    return (
        f"<details{opened}><summary>{escape(item.name)} {escape(item.kind)}: {_mark(item.passed)} "
        f'<span class="what">{escape(item.what)}</span></summary>{drawn}<table>{rows}</table></details>'
    )
