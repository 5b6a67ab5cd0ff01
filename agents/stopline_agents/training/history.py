"""What a run goes on from, written down when it begins: earlier runs may be gone, or others, by its end."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stopline_agents.training.journal import Journal
from stopline_agents.training.start import shape_at, source_of
from stopline_policy.bundle import read_bundle
from stopline_signals.errors import PolicyError

HISTORY = "history.json"
PART = ("config", "imitation", "best", "wall_s", "votes")
"""What is told of each part."""


def history_of(start: str, folder: Path) -> list[dict[str, Any]]:
    """The parts that weights to start from have gone through, the first one first; none without a start.

    Raises:
        PolicyError: There is no network at `start`, or it is the folder of the new run itself.
        BundleError: The bundle cannot be trusted.
    """
    if not start:
        return []
    path = source_of(start)
    if path.resolve() == folder.resolve():
        raise PolicyError(f"{folder}: a run cannot start from its own folder; give it another --out")
    shape_at(start)
    if Journal.best_of(path).is_file():
        run = Journal(path)
        return [*earlier_parts(run), part_of(run)]
    training = read_bundle(path).manifest.training
    return [*training.get("history", ()), {name: training[name] for name in PART if name in training}]


def earlier_parts(journal: Journal) -> list[dict[str, Any]]:
    """What a run wrote down when it began."""
    parts: list[dict[str, Any]] = journal.read(HISTORY).get("parts", [])
    return parts


def part_of(journal: Journal) -> dict[str, Any]:
    """What a run was told and what came of it."""
    told = {name: journal.read(f"{name}.json") for name in ("config", "imitation", "best")}
    return {**told, "wall_s": wall_s(journal)}


def wall_s(journal: Journal) -> float:
    """How long a run took."""
    path = journal.folder / "curve.csv"
    if not path.is_file():
        return 0.0
    with path.open(newline="", encoding="utf-8") as file:
        times = [float(row["wall_s"]) for row in csv.DictReader(file) if row["wall_s"]]
    return max(times, default=0.0)


def configs_of(training: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The configuration of every part that a network has gone through, its voters' among them."""
    for part in (training, *training.get("history", ())):
        yield part.get("config", {})
        for vote in part.get("votes", ()):
            yield from configs_of(vote)
