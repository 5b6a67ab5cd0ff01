"""The model card of a bundle: what it says about itself, as a page to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stopline_policy.bundle import Bundle

POLICY = "bundle"


def card(bundle: Bundle) -> str:
    """Markdown: use, needs, training, figures and limits, all from the signed manifest."""
    manifest = bundle.manifest
    parts = [
        f"# Policy {manifest.name}",
        f"Created {manifest.created}, signed by key {bundle.signed_by}, sha256 `{bundle.sha256}`.",
        "## What it does",
        "Chooses the next stage of a signalised junction among those the rule book allows, every "
        f"{manifest.decision_interval:g} s. It cannot shorten a clearance or a minimum green: those are the "
        "guard's and the cabinet's.",
        f"Junctions of up to {manifest.max_groups} signal groups and {manifest.max_stages} stages.",
        "## What it needs",
        "\n".join(_needs(bundle)),
        "## How it was trained",
        "\n".join(_training(manifest.training, manifest.decision_interval)),
        "## Figures",
        "\n".join(_figures(manifest.evaluation)) or "None stated in this bundle.",
        "## Limits",
        "\n".join(_limits(manifest.training)),
    ]
    return "\n\n".join(parts) + "\n"


def _needs(bundle: Bundle) -> Iterator[str]:
    for need in bundle.manifest.detectors:
        groups = ", ".join(kind.value for kind in need.groups)
        where = f", {need.start_m:g} to {need.end_m:g} m before the stop line" if need.end_m else ""
        yield f"- {need.kind.value.replace('_', ' ')}{where}: every group of kind {groups}"


def _training(training: Mapping[str, Any], interval: float) -> Iterator[str]:
    config: Mapping[str, Any] = training.get("config", {})
    trained = config.get("decision_interval", interval)
    rows = {
        "command": training.get("command"),
        "networks": training.get("networks"),
        "training seed": config.get("seed"),
        "decided in training": f"every {trained:g} s" if trained != interval else None,
        "decisions learned from": training.get("best", {}).get("decisions"),
        "wall time": _wall_time(training),
        "reward": config.get("reward"),
        "validated on generated networks (geometric mean delay, s)": training.get("best", {}).get("score"),
        "goes on from": _earlier(training),
        "decides together with": _votes(training.get("votes", ())),
        "parity with the trained network": _parity(training.get("parity")),
    }
    for name, value in rows.items():
        if value is not None:
            yield f"- {name}: {value:.1f}" if isinstance(value, float) else f"- {name}: {value}"


def _earlier(training: Mapping[str, Any]) -> str | None:
    count = len(_parts(training)) - 1
    return f"{count} earlier part{'s' * (count > 1)}, see `bundle.json`" if count > 0 else None


def _wall_time(training: Mapping[str, Any]) -> str | None:
    """Minutes of this run, and of all it goes on from."""
    minutes = [float(part["wall_s"]) / 60 for part in _parts(training)]
    if not minutes:
        return None
    return f"{sum(minutes):.0f} min" + (
        f", {minutes[-1]:.0f} of them in its last part" if minutes[1:] else ""
    )


def _parts(training: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The runs that a network has gone through, this one last; notes without a time are none."""
    if "wall_s" not in training:
        return []
    return [*(part for part in training.get("history", ()) if "wall_s" in part), training]


def _votes(others: Sequence[Mapping[str, Any]]) -> str | None:
    """The further runs whose networks vote."""
    told = [f"training seed {other.get('config', {}).get('seed')}, {_wall_time(other)}" for other in others]
    return f"{len(told)} further run{'s' * (len(told) > 1)}: {'; '.join(told)}" if told else None


def _parity(found: Mapping[str, Any] | None) -> str | None:
    if not found:
        return None
    return (
        f"{found['observations']} observations, largest difference {found['worst']:.1e}, "
        f"{found['other_choices']} other choices"
    )


def _figures(evaluation: Mapping[str, Any]) -> Iterator[str]:
    """One table: delay per scenario and controller."""
    scenarios = {name: row for name, row in evaluation.items() if "controllers" in row}
    if not scenarios:
        return
    names = list(dict.fromkeys(name for row in scenarios.values() for name in row["controllers"]))
    yield "Mean exact delay, s per vehicle (95 % interval over paired seeds):"
    yield ""
    yield f"| scenario | seeds | {' | '.join(names)} |"
    yield f"|---|---|{'---|' * len(names)}"
    for scenario, row in scenarios.items():
        cells = " | ".join(_cell(row["controllers"].get(name)) for name in names)
        yield f"| {scenario} | {row['seeds']} | {cells} |"


def _cell(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    low, high = found["ci95"]
    return f"{found['delay_s']:.1f} ({low:.1f} to {high:.1f})"


def _limits(training: Mapping[str, Any]) -> Iterator[str]:
    config: Mapping[str, Any] = training.get("config", {})
    yield "- Simulated traffic only; no street has been run with it."
    yield "- It sees 120 m of each approach and nothing of the exits: a queue that spills back is felt late."
    if "fullness" in config:
        low, high = config["fullness"]
        yield f"- Trained at critical flow ratios of {low:g} to {high:g} at the busiest signal."
    if config.get("scenario"):
        yield f"- Trained further on {config['scenario']}: figures on it are not of an unseen network."
    yield "- Buses, emergency vehicles and coordination are other sources' business, not this policy's."
