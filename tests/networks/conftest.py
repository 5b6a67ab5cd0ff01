"""Raw SUMO in a subprocess: what the networks do without any code of ours in the loop."""

from __future__ import annotations

import statistics
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from stopline_envs.generate.sumo_tools import sumo_home
from stopline_envs.scenario import Scenario


@dataclass(frozen=True)
class Outcome:
    """Trips of one run; `delay` is time loss and departure delay over all that were due, s."""

    trips: dict[str, dict[str, str]]
    walks: int
    undeparted: int
    warnings: list[str]

    @property
    def delay(self) -> float:
        return statistics.mean(float(t["timeLoss"]) + float(t["departDelay"]) for t in self.trips.values())


RunSumo = Callable[..., Outcome]


@pytest.fixture
def run_sumo(tmp_path: Path) -> RunSumo:
    def run(scenario: Scenario, *, seed: int = 1, extra_routes: tuple[Path, ...] = ()) -> Outcome:
        trips = tmp_path / "trips.xml"
        command = [
            str(sumo_home() / "bin" / "sumo"), "--net-file", str(scenario.net),
            "--route-files", ",".join(str(path) for path in (*scenario.routes, *extra_routes)),
            "--begin", str(scenario.begin), "--end", str(scenario.end), "--step-length", str(scenario.step),
            "--seed", str(seed), "--time-to-teleport", "-1", "--no-step-log", "--duration-log.disable",
            "--tripinfo-output", str(trips), "--tripinfo-output.write-unfinished",
            "--tripinfo-output.write-undeparted",
        ]  # fmt: skip
        if scenario.additional:
            command += ["--additional-files", ",".join(str(path) for path in scenario.additional)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
        assert done.returncode == 0, done.stderr
        root = ET.parse(trips).getroot()
        rows = {row.attrib["id"]: dict(row.attrib) for row in root.iter("tripinfo")}
        departed = {name: row for name, row in rows.items() if float(row["depart"]) >= 0}
        return Outcome(
            departed,
            sum(1 for _ in root.iter("personinfo")),
            len(rows) - len(departed),
            [line for line in done.stderr.splitlines() if "Warning" in line and "SUMO_HOME" not in line],
        )

    return run
