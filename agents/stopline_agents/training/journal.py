"""What a training run writes down: its configuration, its curve, its state for resuming."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CURVE_FIELDS: tuple[str, ...] = (
    "decisions",
    "wall_s",
    "episode_reward",
    "validation_s",
    "validation_score",
    "entropy",
    "value_loss",
)


class Journal:
    """The folder of a training run."""

    def __init__(self, folder: Path) -> None:
        """Make the folder when it is not there."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        """The learner's state, for resuming."""
        return self.folder / "checkpoint.zip"

    @property
    def best(self) -> Path:
        """Weights of the best validated network."""
        return self.best_of(self.folder)

    @staticmethod
    def best_of(folder: Path) -> Path:
        """Where a run's folder keeps its best network."""
        return folder / "best.pt"

    @property
    def start(self) -> Path:
        """The weights it started from, where it did not begin by imitation."""
        return self.folder / "start.pt"

    @property
    def average(self) -> Path:
        """The weights averaged over the last rollouts, for resuming."""
        return self.folder / "average.pt"

    @property
    def observations(self) -> Path:
        """Recorded observations, for the parity check of the export."""
        return self.folder / "observations.npz"

    def write(self, name: str, table: Mapping[str, Any]) -> None:
        """Write a JSON file so that a kill leaves either the old or the new one."""
        self.replace(name, json.dumps(table, indent=1).encode() + b"\n")

    def replace(self, name: str, data: bytes) -> None:
        """Write any file so that a kill leaves either the old or the new one."""
        temporary = self.folder / f".{name}.new"
        temporary.write_bytes(data)
        os.replace(temporary, self.folder / name)

    def read(self, name: str) -> dict[str, Any]:
        """A JSON file of this run; empty when it was never written."""
        path = self.folder / name
        found: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
        return found

    def validated(self) -> list[float]:
        """The scores of all validations so far (geometric mean delay, s), oldest first."""
        path = self.folder / "curve.csv"
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [float(row["validation_score"]) for row in rows if row["validation_score"]]

    def point(self, row: Mapping[str, object]) -> None:
        """Append a point to ``curve.csv``."""
        path = self.folder / "curve.csv"
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, CURVE_FIELDS, restval="", extrasaction="ignore")
            if fresh:
                writer.writeheader()
            writer.writerow(row)
