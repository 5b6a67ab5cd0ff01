"""Train the shipped policy further on each of RESCO's maps, and measure what that brings there.

    python -m benchmarks._policies.finetuned --maps cologne3,ingolstadt7

A quarter of an hour a map by default, as `stopline finetune` does it, its comparison with the start included;
a map that was begun goes on, one that is done is not trained again. What is measured has other traffic seeds
than what was trained and chosen on, but it is the same map and the same demand: these figures are not of an
unseen network.
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
from stopline_agents.controllers import make_controller
from stopline_agents.parallel import run_tasks
from stopline_agents.running import run_policy
from stopline_agents.statistics import estimate, paired_difference
from stopline_agents.torch_policy import TorchPolicy
from stopline_agents.training.confirming import confirm
from stopline_agents.training.finetune import finetune_config
from stopline_agents.training.journal import Journal
from stopline_agents.training.keeper import Progress
from stopline_agents.training.start import SHIPPED_NAME
from stopline_agents.training.train import read_run, train
from stopline_envs.scenario import load_scenario
from stopline_policy.bundle import SHIPPED, read_bundle
from stopline_policy.manifest import MODEL_FILE

ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = ROOT / "benchmarks" / "results" / "finetuned.json"
DONE = "done.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, measure, print and write the result file; rows of other maps in it stay."""
    options = _options(arguments)
    model = read_bundle(SHIPPED).manifest.files[MODEL_FILE].sha256
    before: dict[str, Any] = json.loads(options.json.read_text()) if options.json.is_file() else {}
    rows: dict[str, Any] = before.get("maps", {}) if before.get("bundle") == model else {}
    for name in options.maps:
        folder = options.work / f"{name}-{model[:12]}"
        _train(name, folder, options.minutes, options.jobs)
        rows[name] = _measure(name, folder, range(1, options.seeds + 1), options.jobs)
        print(name, rows[name], flush=True)
        result = {
            "command": _command(options.minutes, [each for each in MAPS if each in rows]),
            "commit": _commit.head(),
            "bundle": model,
            "minutes": options.minutes,
            "maps": {each: rows[each] for each in MAPS if each in rows},
        }
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def _command(minutes: float, maps: Sequence[str]) -> str:
    """What makes the table as far as it is there."""
    some = [f"--maps {','.join(maps)}"] if len(maps) < len(MAPS) else []
    return " ".join(["python -m benchmarks._policies.finetuned", *some, f"--minutes {minutes:g}"])


def _train(name: str, folder: Path, minutes: float, jobs: int) -> None:
    if (folder / DONE).is_file():
        return

    def report(progress: Progress) -> None:
        print(f"\r{name}: {progress.phase} {progress.done} {progress.note}", end="", file=sys.stderr)

    train(finetune_config(name, minutes=minutes), folder, resume=True, report=report)
    confirm(folder, jobs=jobs, report=report)
    (folder / DONE).write_text("{}\n")


def _measure(name: str, folder: Path, seeds: Sequence[int], jobs: int) -> dict[str, Any]:
    """Mean exact delay of both policies over paired seeds; where the start was kept there is only one."""
    journal = Journal(folder)
    best = journal.read("best.json")
    kept = best["confirmation"]["better"]
    tasks = [(name, where, seed) for where in ("", *([str(folder)] if kept else [])) for seed in seeds]
    found = dict(run_tasks(_run, tasks, jobs))
    delays = [found[number] for number in range(len(tasks))]
    shipped, tuned = delays[: len(seeds)], delays[-len(seeds) :]
    return {
        "shipped_s": estimate(shipped).to_table(),
        "finetuned_s": estimate(tuned).to_table(),
        "difference_s": paired_difference(tuned, shipped).to_table(),
        "less": round(1 - sum(tuned) / sum(shipped), 4),
        "kept": "trained" if kept else "start",
        "confirmed": {name: best["confirmation"][name] for name in ("jams", "calm_difference_s")},
        "decisions": best.get("refused", best)["decisions"],
        "wall_s": journal.read("state.json")["wall_s"],
        "cores": len(os.sched_getaffinity(0)),
    }


def _run(name: str, folder: str, seed: int) -> float:
    """Exact delay of the shipped policy, or of the best network of a run's folder."""
    if not folder:
        policy = make_controller(SHIPPED_NAME)
    else:
        config, scorer = read_run(Path(folder))
        policy = TorchPolicy(scorer, float(config.interval))
    return run_policy(load_scenario(name), policy, seed).metrics.delay_s


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks._policies.finetuned", description=__doc__)
    parser.add_argument(
        "--maps", type=lambda text: text.split(","), default=list(MAPS), help="comma separated"
    )
    parser.add_argument("--minutes", type=float, default=15.0, help="wall time of learning per map")
    parser.add_argument("--seeds", type=int, default=10, help="paired runs per map")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes when measuring")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "finetuned", help="folders of the runs")
    parser.add_argument("--json", type=Path, default=RESULT, help="result file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
