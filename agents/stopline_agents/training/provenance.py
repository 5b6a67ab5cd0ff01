"""What a bundle tells about its making, taken from the run's own records."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stopline_agents.export import Parity, export_bundle
from stopline_agents.network import StageScorer
from stopline_agents.training.config import TrainConfig
from stopline_agents.training.history import configs_of, earlier_parts, part_of
from stopline_agents.training.journal import Journal
from stopline_agents.training.train import read_run
from stopline_agents.voting import voting
from stopline_signals.errors import PolicyError

PACKAGES = ("torch", "stable-baselines3", "eclipse-sumo", "onnx", "onnxscript", "numpy")


def export_run(
    run: Path,
    out: Path,
    key: Ed25519PrivateKey,
    *,
    name: str = "universal",
    evaluations: Sequence[Mapping[str, Any]] = (),
    command: str = "",
    votes: Sequence[Path] = (),
    interval: int | None = None,
) -> Parity:
    """Export the best network of a training run with its provenance; see `export_bundle`.

    `votes` are further runs whose networks decide with it, as one network (`stopline_agents.voting`).
    `interval` are the seconds between its decisions, where they are others than the run was told.
    """
    config, scorer = read_run(run)
    journal = Journal(run)
    if not journal.observations.is_file():
        raise PolicyError(f"{run}: holds no recorded observations; train with a teacher, which records them")
    observations = np.load(journal.observations)["observations"]
    others = [_voter(config, other) for other in votes]
    return export_bundle(
        voting([scorer, *others]) if others else scorer,
        out,
        key,
        name=name,
        decision_interval=float(interval or config.interval),
        observations=observations,
        training=provenance(journal, command, votes),
        evaluation=_figures(evaluations),
    )


def _voter(config: TrainConfig, run: Path) -> StageScorer:
    """The network of another run; PolicyError when the two cannot decide together."""
    theirs, scorer = read_run(run)
    for name in ("decision_interval", "max_groups", "max_stages"):
        if getattr(theirs, name) != getattr(config, name):
            raise PolicyError(
                f"{run}: has {name} {getattr(theirs, name)}, the run it would vote with "
                f"{getattr(config, name)}"
            )
    return scorer


def provenance(journal: Journal, command: str, votes: Sequence[Path] = ()) -> dict[str, Any]:
    """Configuration, seeds, time, networks and versions of a run, of what it goes on from, and of voters."""
    history = earlier_parts(journal)
    voters = [provenance(Journal(other), command) for other in votes]
    more = {"history": history, "votes": voters}
    told = {**part_of(journal), **{name: parts for name, parts in more.items() if parts}}
    return {
        "command": f"stopline train --config config.toml --out {journal.folder.name}",
        "export_command": command,
        **told,
        "networks": _networks(told),
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in PACKAGES},
    }


def _networks(training: dict[str, Any]) -> str:
    configs = list(configs_of(training))
    maps = sorted({str(config["scenario"]) for config in configs if config.get("scenario")})
    if maps:
        return f"trained further on {', '.join(maps)}: not unseen by this policy"
    own = sorted({name for config in configs if config.get("own_share") for name in config["own"]})
    mixed = f", and this project's own {', '.join(own)}" if own else ""
    return f"generated from seeds by stopline_envs.generate{mixed}; no public map was trained on"


def _figures(evaluations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean delay and interval per scenario and controller."""
    figures: dict[str, Any] = {}
    for evaluation in (part for each in evaluations for part in _parts(each)):
        rows = {
            controller: {"delay_s": row["delay_s"]["mean"], "ci95": row["delay_s"]["ci95"]}
            for controller, row in evaluation["controllers"].items()
        }
        figures[evaluation["scenario"]] = {"seeds": len(evaluation["seeds"]), "controllers": rows}
    return figures


def _parts(evaluation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A table of several maps, as `make bench-policies` writes it, is an evaluation of each."""
    if "maps" not in evaluation:
        return [evaluation]
    seeds = evaluation["seeds"]
    return [
        {"scenario": name, "seeds": seeds, "controllers": {k: v for k, v in row.items() if v}}
        for name, row in evaluation["maps"].items()
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
