"""Choose each rule's own settings on generated networks, as the policy is.

The networks are drawn as for training, from seeds that neither training nor its validation uses. What wins by
the geometric mean of delay becomes the default in `stopline_agents.baselines` where it wins by more than 1 %.
This program prints and writes all that was tried.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stopline_agents.baselines import Actuated, Greedy, MaxPressure, RateIndex, Sotl
from stopline_agents.parallel import run_tasks
from stopline_agents.running import run_policy
from stopline_agents.training.config import TrainConfig
from stopline_agents.training.networks import fits, make_network
from stopline_envs.scenario import load_scenario
from stopline_policy.seam import Policy

ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = ROOT / "benchmarks" / "results" / "rule_tuning.json"
FIRST_SEED = 920_000_000
SEED = 7
DRAWN = TrainConfig(slots=8, episode_s=900, fullness=(0.3, 0.9), crossings=0.4, all_stages=0.5)


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to set a rule."""

    rule: str
    words: str
    make: Callable[[], Policy]


def settings() -> list[Setting]:
    """All that is tried."""
    found = [
        Setting("greedy", f"every {i} s, {'120' if far else '50'} m", _greedy(i, far))
        for i in (1, 2, 3, 5, 8, 10)
        for far in (True, False)
    ]
    found += [
        Setting("max-pressure-halting" if h else "max-pressure", f"every {i} s", _pressure(i, h))
        for h in (False, True)
        for i in (1, 2, 3, 5, 8, 10)
    ]
    found += [
        Setting("rate-index", f"every {i} s, advantage {a}", _rate(i, a))
        for i in (1, 2)
        for a in (1.0, 1.1, 1.25, 1.5)
    ]
    found += [
        Setting("actuated", f"passage {p} s, max {f} x split", _actuated(p, f))
        for p in (0.5, 1.0, 2.0)
        for f in (1.0, 1.25, 1.5, 2.0)
    ]
    found += [
        Setting("sotl", f"threshold {t} veh s, platoon {n}", _sotl(t, n))
        for t in (20, 40, 80, 160, 320)
        for n in (1, 3)
    ]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every setting on every network, print the best of each rule and write the result file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks._policies.tuning", description=__doc__)
    parser.add_argument("--networks", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="simulations at once")
    parser.add_argument("--json", type=Path, default=RESULT, help="result file")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        files = _networks(options.networks, Path(folder))
        tasks = [(number, file) for number in range(len(settings())) for file in files]
        found = dict(run_tasks(_delay, tasks, options.jobs))
    delays = [found[number] for number in range(len(tasks))]
    rows = [
        _row(setting, delays[number * len(files) : (number + 1) * len(files)])
        for number, setting in enumerate(settings())
    ]
    rows.sort(key=lambda row: (str(row["rule"]), float(str(row["score"]))))
    for row in rows:
        print(f"{row['rule']:22} {row['setting']:34} {row['score']:7.1f} s")
    drawn = {"first_seed": FIRST_SEED, "networks": len(files), "traffic_seed": SEED, **DRAWN.to_table()}
    command = "python -m benchmarks._policies.tuning"
    options.json.write_text(json.dumps({"command": command, "drawn": drawn, "rows": rows}, indent=1) + "\n")
    return 0


def _networks(count: int, folder: Path) -> list[Path]:
    found: list[Path] = []
    seed = FIRST_SEED
    while len(found) < count:
        if fits(make_network(seed, DRAWN, folder / str(seed)), DRAWN):
            found.append(folder / str(seed) / "scenario.toml")
        seed += 1
    return found


def _delay(number: int, file: Path) -> float:
    scenario = replace(load_scenario(file), name=file.parent.name)
    return run_policy(scenario, settings()[number].make(), SEED).metrics.delay_s


def _row(setting: Setting, delays: Sequence[float]) -> dict[str, object]:
    score = math.exp(sum(math.log(max(delay, 0.1)) for delay in delays) / len(delays))
    return {"rule": setting.rule, "setting": setting.words, "score": score, "delays_s": list(delays)}


def _greedy(interval: int, far: bool) -> Callable[[], Policy]:
    return lambda: Greedy(decision_interval=interval, far=far)


def _pressure(interval: int, halting: bool) -> Callable[[], Policy]:
    return lambda: MaxPressure(decision_interval=interval, halting=halting)


def _rate(interval: int, advantage: float) -> Callable[[], Policy]:
    return lambda: RateIndex(decision_interval=interval, advantage=advantage)


def _actuated(passage: float, factor: float) -> Callable[[], Policy]:
    return lambda: Actuated(passage_s=passage, max_green_factor=factor)


def _sotl(threshold: float, platoon: int) -> Callable[[], Policy]:
    return lambda: Sotl(threshold=threshold, platoon=platoon)


if __name__ == "__main__":
    sys.exit(main())
