"""Put training seeds of one recipe side by side: on generated networks none of them met, and on RESCO's maps.

    python -m benchmarks._policies.seeds benchmarks/runs/rights-1 benchmarks/runs/rights-2

Each run's best network decides as often as the shipped policy, which votes with some of them and has a row of
its own. The networks are those that chose each run's best, made anew, and flatter them a little; the shipped
policy's delays on RESCO's maps are those of the policy table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import _commit
from benchmarks._policies.__main__ import MAPS
from benchmarks._policies.__main__ import RESULT as POLICIES
from stopline_agents.controllers import make_controller
from stopline_agents.parallel import run_tasks
from stopline_agents.running import run_policy
from stopline_agents.statistics import estimate
from stopline_agents.torch_policy import TorchPolicy
from stopline_agents.training.config import load_config
from stopline_agents.training.history import earlier_parts, part_of
from stopline_agents.training.journal import Journal
from stopline_agents.training.networks import validation_networks
from stopline_agents.training.start import SHIPPED_NAME
from stopline_agents.training.train import read_run
from stopline_agents.training.validation import SEED, Validation
from stopline_envs.scenario import Scenario, load_scenario
from stopline_policy.bundle import SHIPPED, read_bundle
from stopline_policy.seam import Policy

COMMAND = "python -m benchmarks._policies.seeds"
ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = ROOT / "benchmarks" / "results" / "seeds.json"
RECIPE = ROOT / "agents" / "policy" / "3-rights.toml"
RULES = ("actuated", "greedy", "rate-index")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure rules, runs and the shipped policy, print a line each and write the result file."""
    options = _options(arguments)
    networks = validation_networks(load_config(RECIPE), options.work)
    seeds = range(1, options.seeds + 1)
    rows: list[dict[str, Any]] = [
        {"name": rule, "score_s": _score(rule, networks, options.jobs)} for rule in RULES
    ]
    shipped = json.loads(POLICIES.read_text())["maps"]
    rows.append(
        {
            "name": SHIPPED_NAME,
            "score_s": _score(SHIPPED_NAME, networks, options.jobs),
            "maps": {name: shipped[name][SHIPPED_NAME]["delay_s"] for name in options.maps},
        }
    )
    for folder in options.runs:
        who = str(folder)
        score, maps = _score(who, networks, options.jobs), _maps(who, options.maps, seeds, options.jobs)
        rows.append({"name": folder.name, **_making(folder), "score_s": score, "maps": maps})
        print(rows[-1], flush=True)
    result = {
        "command": f"{COMMAND} {' '.join(map(str, options.runs))} --maps {','.join(options.maps)}",
        "commit": _commit.head(),
        "networks": len(networks),
        "seeds": list(seeds),
        "rows": rows,
    }
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def _making(folder: Path) -> dict[str, Any]:
    """Seed, decisions and wall time of a run with all its parts."""
    journal = Journal(folder)
    parts = [*earlier_parts(journal), part_of(journal)]
    return {
        "seed": read_run(folder)[0].seed,
        "parts_min": [round(part["wall_s"] / 60, 1) for part in parts],
        "best_at": [part["best"].get("decisions") for part in parts],
    }


def _score(who: str, networks: Sequence[Scenario], jobs: int) -> float:
    """Geometric mean of delay (s) on the networks, each with its own traffic seed."""
    tasks = [(who, network, SEED + number) for number, network in enumerate(networks)]
    return round(Validation(tuple(_delays(tasks, jobs))).score, 2)


def _maps(who: str, maps: Sequence[str], seeds: Sequence[int], jobs: int) -> dict[str, Any]:
    tasks = [(who, load_scenario(name), seed) for name in maps for seed in seeds]
    delays = _delays(tasks, jobs)
    every = len(seeds)
    return {
        name: estimate(delays[number * every : (number + 1) * every]).to_table()
        for number, name in enumerate(maps)
    }


def _delays(tasks: Sequence[tuple[str, Scenario, int]], jobs: int) -> list[float]:
    found = dict(run_tasks(_run, tasks, jobs))
    return [found[number] for number in range(len(tasks))]


def _run(who: str, scenario: Scenario, seed: int) -> float:
    return run_policy(scenario, _policy(who), seed).metrics.delay_s


def _policy(who: str) -> Policy:
    """A rule, the shipped policy, or the best network of a run, as often as the shipped one decides."""
    if who == SHIPPED_NAME or who in RULES:
        return make_controller(who)
    return TorchPolicy(read_run(Path(who))[1], read_bundle(SHIPPED).manifest.decision_interval)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of stopline train")
    parser.add_argument(
        "--maps", type=lambda text: text.split(","), default=list(MAPS), help="comma separated"
    )
    parser.add_argument("--seeds", type=int, default=5, help="paired runs per map")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "seeds", help="folder of the networks")
    parser.add_argument("--json", type=Path, default=RESULT, help="result file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
