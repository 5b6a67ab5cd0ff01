"""The evaluation report: one HTML file, plots inside, nothing to fetch."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from stopline_agents.evaluate import METRICS, Evaluation
from stopline_agents.statistics import Estimate, sign_flip_p

LABELS = {
    "delay_s": ("Delay", "s"),
    "wait_s": ("Wait", "s"),
    "travel_time_s": ("Travel time", "s"),
    "speed_mps": ("Speed", "m/s"),
    "stops": ("Stops", ""),
    "unserved": ("Never inserted", "veh"),
    "violations": ("MMU violations", ""),
}
FURTHER = {
    "worst_approach_s": ("Time lost on the worst approach", "s"),
    "longest_wait_s": ("Longest wait of one vehicle", "s"),
    "longest_stop_s": ("Longest standstill", "s"),
    "deadlocked": ("Vehicles that no lamp can free", ""),
    "walk_wait_s": ("Time lost on foot", "s"),
    "bus_delay_s": ("Delay of buses", "s"),
    "emergency_delay_s": ("Delay of emergency vehicles", "s"),
    "co2_g": ("CO2 per vehicle", "g"),
    "interventions": ("Requests the guard did not grant", ""),
}
REFERENCE = "fixed"

_EXPLANATION = (
    "Delay is time loss plus departure delay over all scheduled vehicles; those never inserted count to the "
    "end. Brackets are 95 % bootstrap intervals of the mean over seeds."
)

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; color: #1b1f24 }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #d8dee4 }
th:first-child, td:first-child { text-align: left } tr.best td { font-weight: 600 }
.ci { color: #656d76; font-size: .85em } code { background: #f6f8fa; padding: .1rem .3rem }
img { max-width: 100% } figure { margin: 1rem 0 } figcaption { color: #656d76 }
"""


def write_report(evaluation: Evaluation, path: Path, *, command: str = "") -> None:
    """Write the HTML report of an evaluation."""
    scenario = evaluation.scenario
    parts = [
        f"<h1>{escape(scenario.title or scenario.name)}</h1>",
        f"<p>Scenario <b>{escape(scenario.name)}</b>, {scenario.begin} to {scenario.end} s, "
        f"{len(evaluation.seeds)} paired seeds ({escape(', '.join(map(str, evaluation.seeds)))}).</p>",
        f"<p>{_EXPLANATION}</p>",
        f"<p>Made by <code>{escape(command)}</code></p>" if command else "",
        _summary(evaluation),
        _figure(_delay_plot(evaluation), "Delay per controller: mean, 95 % interval and every seed."),
        _comparison(evaluation),
        _further(evaluation),
        _figure(
            _paired_plot(evaluation), "Delay seed by seed: each line is one seed, the same traffic for all."
        ),
    ]
    title = escape(f"Evaluation of {scenario.name}")
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    )
    path.write_text(html + "\n".join(parts) + "</html>\n", encoding="utf-8")


def figure_png(figure: Any) -> bytes:
    """A matplotlib figure as PNG; the figure is closed."""
    from matplotlib import pyplot

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    pyplot.close(figure)
    return buffer.getvalue()


def _summary(evaluation: Evaluation) -> str:
    best = min(evaluation.rows, key=lambda row: row.figures["delay_s"].mean).controller
    heads = "".join(f"<th>{name}{f' ({unit})' if unit else ''}</th>" for name, unit in LABELS.values())
    rows = [
        f'<tr class="{"best" if row.controller == best else ""}"><td>{escape(row.controller)}</td>'
        + "".join(f"<td>{_cell(row.figures[metric])}</td>" for metric in METRICS)
        + "</tr>"
        for row in evaluation.rows
    ]
    return f"<h2>Figures</h2><table><tr><th>Controller</th>{heads}</tr>{''.join(rows)}</table>"


def _further(evaluation: Evaluation) -> str:
    """What an engineer asks next: the worst cases, people on foot, buses, what the guard had to correct."""
    shown = [name for name in FURTHER if any(row.figures[name].mean for row in evaluation.rows)]
    heads = "".join(
        f"<th>{label}{f' ({unit})' if unit else ''}</th>" for label, unit in (FURTHER[name] for name in shown)
    )
    rows = [
        f"<tr><td>{escape(row.controller)}</td>"
        + "".join(f"<td>{_cell(row.figures[name])}</td>" for name in shown)
        + "</tr>"
        for row in evaluation.rows
    ]
    return f"<h2>Further figures</h2><table><tr><th>Controller</th>{heads}</tr>{''.join(rows)}</table>"


def _comparison(evaluation: Evaluation) -> str:
    names = [row.controller for row in evaluation.rows]
    if len(names) < 2:
        return ""
    reference = REFERENCE if REFERENCE in names else names[0]
    base = evaluation.row(reference).figures["delay_s"].mean
    rows = [
        f"<tr><td>{escape(name)}</td><td>{_cell(difference, sign=True)}</td>"
        f"<td>{100 * difference.mean / base:+.1f} %</td><td>{sign_flip_p(difference.per_seed):.3f}</td>"
        f"<td>{_verdict(difference)}</td></tr>"
        for name, difference in evaluation.against(reference).items()
    ]
    return (
        f"<h2>Delay against {escape(reference)}, paired by seed</h2><table><tr><th>Controller</th>"
        "<th>Difference (s)</th><th>Share</th><th>p (sign flips)</th><th>Verdict</th></tr>"
        f"{''.join(rows)}</table>"
    )


def _verdict(difference: Estimate) -> str:
    if difference.high < 0:
        return "lower"
    return "higher" if difference.low > 0 else "no difference shown"


def _cell(value: Estimate, *, sign: bool = False) -> str:
    form = "+.1f" if sign else ".1f"
    interval = f"{value.low:{form}} … {value.high:{form}}"
    return f'{value.mean:{form}} <span class="ci">{interval}</span>'


def _figure(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode()
    alt = escape(caption)
    return (
        f'<figure><img alt="{alt}" src="data:image/png;base64,{data}"><figcaption>{alt}</figcaption></figure>'
    )


def _delay_plot(evaluation: Evaluation) -> bytes:
    names = [row.controller for row in evaluation.rows]
    figure, axes = _canvas(0.45 * len(names) + 1.2)
    for position, row in enumerate(evaluation.rows):
        delay = row.figures["delay_s"]
        axes.barh(position, delay.mean, color="#8fb8de", height=0.6)
        axes.plot([delay.low, delay.high], [position] * 2, color="#1f4e79", linewidth=2.5)
        axes.plot(
            delay.per_seed, [position] * len(delay.per_seed), "o", color="#1f4e79", markersize=3, alpha=0.6
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("delay (s per vehicle)")
    return figure_png(figure)


def _paired_plot(evaluation: Evaluation) -> bytes:
    names = [row.controller for row in evaluation.rows]
    figure, axes = _canvas(3.2)
    for index in range(len(evaluation.seeds)):
        values = [row.figures["delay_s"].per_seed[index] for row in evaluation.rows]
        axes.plot(range(len(names)), values, marker="o", markersize=4, alpha=0.7)
    axes.set_xticks(range(len(names)), names, rotation=20, ha="right")
    axes.set_ylabel("delay (s per vehicle)")
    axes.set_ylim(bottom=0)
    return figure_png(figure)


def _canvas(height: float) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8.5, height))
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def table_rows(evaluation: Evaluation) -> Sequence[dict[str, object]]:
    """Rows for a terminal table: mean with the interval of the delay, means of the rest."""
    rows: list[dict[str, object]] = []
    for row in evaluation.rows:
        delay = row.figures["delay_s"]
        cells: dict[str, object] = {
            "controller": row.controller,
            "delay_s": delay.mean,
            "ci95": f"{delay.low:.1f} … {delay.high:.1f}",
        }
        cells |= {name: row.figures[name].mean for name in METRICS[1:]}
        rows.append(cells)
    return rows
