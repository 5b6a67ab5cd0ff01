"""`report.html` of the demo: one file, plots inside."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any

from stopline_agents.report import LABELS, figure_png
from stopline_cli.demonstration.closed_loop import LoopResult

COLOURS = {"G": "#2e9e5b", "g": "#8fd0a8", "y": "#e8b93a", "r": "#c8493a"}
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; color: #1b1f24 }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #d8dee4 }
th:first-child, td:first-child { text-align: left } .ci { color: #656d76; font-size: .85em }
img { max-width: 100% } code { background: #f6f8fa; padding: .1rem .3rem }
"""


def write_report(summary: dict[str, Any], loop: LoopResult, path: Path, *, command: str) -> bytes:
    """Write the report; returns the picture of the ambulance's way as PNG."""
    crossing = _crossing_plot(loop)
    parts = [
        f"<h1>Stopline demo: {escape(summary['scenario'])}</h1>",
        f"<p>Made by <code>{escape(command)}</code></p>",
        _delay_section(summary),
        _loop_section(summary),
        _emergency_section(summary, crossing),
        _override_section(summary),
    ]
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Stopline demo</title>'
    path.write_text(f"{head}<style>{_STYLE}</style>" + "\n".join(parts) + "</html>\n", encoding="utf-8")
    return crossing


def _delay_section(summary: dict[str, Any]) -> str:
    heads = "".join(f"<th>{name}{f' ({unit})' if unit else ''}</th>" for name, unit in LABELS.values())
    rows = "".join(
        f"<tr><td>{escape(controller)}</td>" + "".join(_cell(figures[name]) for name in LABELS) + "</tr>"
        for controller, figures in summary["controllers"].items()
    )
    begin, end = summary["window_s"]
    return (
        f"<h2>Controllers compared, {begin} to {end} s, {len(summary['seeds'])} paired seeds</h2>"
        "<p>Delay is time loss plus departure delay over all scheduled vehicles; those never inserted count "
        "to the end. All controllers run under the same rule book with the same detectors. Brackets are "
        f"95 % bootstrap intervals.</p><table><tr><th>Controller</th>{heads}</tr>{rows}</table>"
        + _picture(_delay_plot(summary), "Delay: mean, 95 % interval and every seed")
    )


def _cell(figures: dict[str, Any]) -> str:
    low, high = figures["ci95"]
    return f'<td>{figures["mean"]:.1f} <span class="ci">{low:.1f} … {high:.1f}</span></td>'


def _loop_section(summary: dict[str, Any]) -> str:
    loop, decision = summary["closed_loop"], summary["decision_ms"]
    rows = {
        "Audited decisions": summary["decisions"],
        "Plans the cabinets accepted": summary["plans_accepted"],
        "Lamp violations (cabinets' monitors and the street's referee)": summary["mmu_violations"],
        "Decision time p50 / p99 (ms)": f"{decision['p50']:.2f} / {decision['p99']:.2f}",
        "Clock rate": summary["clock_rate"],
        "Control ticks, late ones": f"{summary['ticks']}, {summary['late_ticks']}",
        "Delay in the loop (s)": f"{loop['delay_s']:.1f}",
        "Vehicles, never inserted": f"{loop['vehicles']}, {loop['unserved']}",
    }
    return (
        "<h2>The closed loop</h2><p>SUMO is the street; every signal is a virtual cabinet with its own "
        "timing, local plan and conflict monitor; a controller in another process reads and writes them over "
        f"Modbus TCP and serves gRPC.</p>{_list(rows)}"
    )


def _emergency_section(summary: dict[str, Any], crossing: bytes) -> str:
    found = summary["emergency"]
    without = found["without_priority"]
    rows = {
        "": "with priority / without",
        "Travel time (s)": f"{found['travel_time_s']:.0f} / {without['travel_time_s']:.0f}",
        "Time lost (s)": f"{found['time_loss_s']:.0f} / {without['time_loss_s']:.0f}",
        "Stops": f"{found['stops']} / {without['stops']}",
        "Signals crossed without a stop": f"{found['crossed_without_stop']} of {found['signals']} / "
        f"{without['crossed_without_stop']} of {without['signals']}",
    }
    return (
        "<h2>The ambulance</h2><p>It obeys red lights like everybody else and reports its way over gRPC; the "
        "controller asks for its green early enough. Without priority: same traffic and policy, in-process."
        f"</p>{_list(rows)}{_picture(crossing, 'The way of the ambulance; each band is a signal')}"
    )


def _override_section(summary: dict[str, Any]) -> str:
    found = summary["override"]
    if found is None:
        return "<h2>The operator</h2><p>The run ended before the operator acted.</p>"
    rows = {
        "Junction": found["junction"],
        "Answer": found["answer"],
        "Stage in force after (s)": found["in_force_after_s"],
        "Held (s)": found["held_s"],
        "Back with the policy after (s)": found["policy_back_after_s"],
    }
    return f"<h2>The operator</h2><p>Takes one junction over through gRPC under a lease.</p>{_list(rows)}"


def _list(rows: dict[str, Any]) -> str:
    cells = "".join(f"<tr><td>{escape(name)}</td><td>{escape(str(v))}</td></tr>" for name, v in rows.items())
    return f"<table>{cells}</table>"


def _picture(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode()
    return f'<p><img alt="{escape(caption)}" src="data:image/png;base64,{data}"><br>{escape(caption)}</p>'


def _delay_plot(summary: dict[str, Any]) -> bytes:
    figure, axes = _canvas(2.6)
    for position, figures in enumerate(summary["controllers"].values()):
        delay = figures["delay_s"]
        axes.barh(position, delay["mean"], color="#8fb8de", height=0.6)
        axes.plot(delay["ci95"], [position] * 2, color="#1f4e79", linewidth=2.5)
        axes.plot(delay["per_seed"], [position] * len(delay["per_seed"]), "o", color="#1f4e79", markersize=3)
    axes.set_yticks(range(len(summary["controllers"])), list(summary["controllers"]))
    axes.invert_yaxis()
    axes.set_xlabel("delay (s per vehicle)")
    return figure_png(figure)


def _crossing_plot(loop: LoopResult) -> bytes:
    """Distance over time: the ambulance's path over the lamps on its way."""
    sightings = loop.emergency_run.sightings
    places: dict[str, float] = {}
    for sighting in sightings:
        for signal in sighting.ahead:
            places[signal.tls] = sighting.odometer_m + signal.distance_m
    figure, axes = _canvas(4.4)
    for second, tls, letter in loop.lamps.seen:
        colour = COLOURS.get(letter, "#999999")
        axes.plot([second, second + 1], [places[tls]] * 2, color=colour, linewidth=6, solid_capstyle="butt")
    axes.plot(
        [s.time_s for s in sightings], [s.odometer_m for s in sightings], color="#1f4e79", linewidth=2.2
    )
    for tls, place in places.items():
        axes.text(sightings[0].time_s - 2, place, tls, ha="right", va="center", fontsize=8)
    axes.set_xlabel("simulation time (s)")
    axes.set_ylabel("distance along the way (m)")
    axes.yaxis.set_label_coords(-0.09, 0.5)
    return figure_png(figure)


def _canvas(height: float) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8.5, height))
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
