"""`summary.json` of the demo: the figures others read, under names that stay."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from stopline_agents.evaluate import Evaluation
from stopline_cli.demonstration.closed_loop import LoopResult
from stopline_envs.emergency import EmergencyFigures


def summary_table(
    evaluation: Evaluation, loop: LoopResult, without: EmergencyFigures, *, bundle_sha256: str
) -> dict[str, Any]:
    """The content of `summary.json`."""
    rows: dict[str, dict[str, Any]] = {
        row.controller.partition(":")[0]: {
            name: estimate.to_table() for name, estimate in row.figures.items()
        }
        for row in evaluation.rows
    }
    statistics = loop.statistics
    return {
        "scenario": evaluation.scenario.name,
        "window_s": [evaluation.scenario.begin, evaluation.scenario.end],
        "seeds": list(evaluation.seeds),
        "controllers": rows,
        "bundle_sha256": bundle_sha256,
        "decisions": statistics["decisions_audited"],
        "plans_accepted": loop.plans_accepted,
        "plans_refused": statistics["plans_refused"],
        "clock_rate": loop.street.rate,
        "mmu_violations": loop.street.violations,
        "first_violations": list(loop.street.first_violations),
        "decision_ms": {"p50": statistics["decision_ms_p50"], "p99": statistics["decision_ms_p99"]},
        "command_ms": {"p50": statistics["command_ms_p50"], "p99": statistics["command_ms_p99"]},
        "guard_interventions": statistics["guard_interventions"],
        "ticks": statistics["ticks"],
        "late_ticks": statistics["late_ticks"],
        "street_lateness": asdict(loop.street.lateness),
        "closed_loop": asdict(loop.street.metrics),
        "emergency": {
            **asdict(loop.emergency),
            "answers": loop.emergency_answers,
            "without_priority": asdict(without),
        },
        "override": None if loop.override is None else asdict(loop.override),
    }


def table_rows(summary: dict[str, Any]) -> list[dict[str, object]]:
    """Rows for the terminal: the in-process table, then the closed loop."""
    names = ("delay_s", "wait_s", "travel_time_s", "speed_mps", "stops", "unserved", "violations")
    rows: list[dict[str, object]] = []
    for controller, figures in summary["controllers"].items():
        low, high = figures["delay_s"]["ci95"]
        row: dict[str, object] = {"controller": controller, "delay_s": figures["delay_s"]["mean"]}
        row["ci95"] = f"{low:.1f} … {high:.1f}"
        row |= {name: figures[name]["mean"] for name in names[1:]}
        rows.append(row)
    loop = summary["closed_loop"]
    closed: dict[str, object] = {
        "controller": "bundle, closed loop",
        "delay_s": loop["delay_s"],
        "ci95": "1 run",
    }
    closed |= {name: float(loop[name]) for name in names[1:-1]}
    return [*rows, {**closed, "violations": float(summary["mmu_violations"])}]
