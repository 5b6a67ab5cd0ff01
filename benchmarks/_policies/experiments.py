"""Put training runs side by side: what was set, and what came of it on one set of generated networks.

    python -m benchmarks._policies.experiments --networks runs/u3/validation runs/u1 runs/u2 runs/u3

Every run's best network, and the strongest rules, meet the same traffic on networks that none was trained on;
each run decides as often as it did in training. The result file holds each run's configuration, curve and
figures; `docs/training.md` shows them (`scripts/readme_figures`).
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stopline_agents.controllers import make_controller
from stopline_agents.torch_policy import TorchPolicy
from stopline_agents.training.config import TrainConfig
from stopline_agents.training.journal import Journal
from stopline_agents.training.networks import fits
from stopline_agents.training.train import read_run
from stopline_agents.training.validation import validate
from stopline_envs.scenario import Scenario, load_scenario
from stopline_policy.seam import Policy

ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = ROOT / "benchmarks" / "results" / "experiments.json"
RULES = ("actuated", "greedy", "rate-index")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure rules and runs, print a line each and write the result file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks._policies.experiments", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of stopline train")
    parser.add_argument("--networks", type=Path, required=True, help="folder of generated networks")
    parser.add_argument("--json", type=Path, default=RESULT, help="result file")
    parser.add_argument("--add", action="store_true", help="keep the result file's rows of other runs")
    options = parser.parse_args(arguments)
    found = [load_scenario(file) for file in sorted(options.networks.glob("*/scenario.toml"))]
    networks = [network for network in found if fits(network, TrainConfig())]
    rules = [{"rule": name, **_measure(make_controller(name), networks)} for name in RULES]
    names = {folder.name for folder in options.runs}
    before: list[dict[str, Any]] = json.loads(options.json.read_text())["runs"] if options.add else []
    kept = [row for row in before if row["run"] not in names]
    runs = [*kept, *_rows(options.runs, networks)]
    result = {"command": "python -m benchmarks._policies.experiments", "networks": len(networks)}
    options.json.write_text(json.dumps({**result, "rules": rules, "runs": runs}, indent=1) + "\n")
    return 0


def _rows(folders: Sequence[Path], networks: Sequence[Scenario]) -> Iterator[dict[str, Any]]:
    for folder in folders:
        config, scorer = read_run(folder)
        journal = Journal(folder)
        print(folder.name, end=" ", flush=True)
        yield {
            "run": folder.name,
            "config": journal.read("config.json"),
            "state": journal.read("state.json"),
            "best_at": journal.read("best.json").get("decisions"),
            "curve": _curve(folder / "curve.csv"),
            **_measure(TorchPolicy(scorer, float(config.decision_interval)), networks),
        }


def _measure(policy: Policy, networks: Sequence[Scenario]) -> dict[str, Any]:
    found = validate(policy, networks)
    print(f"{found.score:.1f} s", flush=True)
    return {"score_s": round(found.score, 2), "delays_s": [round(delay, 2) for delay in found.delays]}


def _curve(file: Path) -> list[list[float]]:
    """Decisions, wall time in s, and validation score in s where a run was validated."""
    with file.open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["validation_score"]]
    return [[float(row[name]) for name in ("decisions", "wall_s", "validation_score")] for row in rows]


if __name__ == "__main__":
    sys.exit(main())
