"""`stopline finetune`: the shipped policy, trained further on one network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stopline_cli.output import JsonOption, print_json, print_table
from stopline_cli.train import display

if TYPE_CHECKING:
    from stopline_agents.training.confirming import Confirmation


def command(
    scenario: Annotated[
        str | None,
        typer.Option(help="A built-in scenario, or a scenario TOML file.", show_default=False),
    ] = None,
    net: Annotated[Path | None, typer.Option(help="Your own SUMO network, in place of a scenario.")] = None,
    routes: Annotated[str | None, typer.Option(help="With --net: route files, comma separated.")] = None,
    begin: Annotated[int, typer.Option(min=0, help="With --net: start, s.")] = 0,
    end: Annotated[int, typer.Option(min=1, help="With --net: end, s.")] = 3600,
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/finetune"),
    start: Annotated[
        str, typer.Option(help="What to train further: bundle (the shipped one), a bundle, a run's folder.")
    ] = "bundle",
    minutes: Annotated[float, typer.Option(min=0.1, help="Wall time of learning, at most.")] = 15.0,
    patience: Annotated[
        int, typer.Option(min=1, help="Validations without a better one before it stops.")
    ] = 8,
    seed: Annotated[int, typer.Option(help="Training seed.")] = 1,
    confirm: Annotated[
        bool, typer.Option(help="Compare with the start at the end, and go back to it unless it is worse.")
    ] = True,
    jobs: Annotated[
        int, typer.Option(min=1, help="Simulations at once in that comparison.", show_default="cores")
    ] = min(os.cpu_count() or 1, 8),
    resume: Annotated[bool, typer.Option(help="Go on from the folder's last checkpoint.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a policy further on one network; the network to use is kept in `best.pt`.

    At the end the best validated network and its start meet ten seeds of traffic that neither was chosen
    by: unless the trained one jams no more often there, and loses less time where neither jams (95 %
    interval), `best.pt` is the start again. Ten hours cannot show how often a rare jam comes: compare
    both with `stopline evaluate` on many seeds before you use it.
    Stops when the time is up or nothing gets better. A kill loses at most one checkpoint's work: `--resume`
    goes on. `stopline export` then makes a bundle of it, whose provenance names the network.

    Example: `stopline finetune --net my.net.xml --routes my.rou.xml --minutes 15 --out runs/mine`
    """
    from stopline_agents.training import confirming
    from stopline_agents.training.finetune import finetune_config, write_scenario
    from stopline_agents.training.journal import Journal
    from stopline_agents.training.train import train

    if (scenario is None) == (net is None):
        raise typer.BadParameter("give either --scenario NAME or --net FILE with --routes")
    if net is not None:
        if not routes:
            raise typer.BadParameter("--net needs --routes FILE[,FILE...]")
        files = [Path(part.strip()) for part in routes.split(",") if part.strip()]
        scenario = str(out / "scenario.toml")
        write_scenario(net, files, begin, end, Path(scenario))
    config = finetune_config(str(scenario), start=start, minutes=minutes, patience=patience, seed=seed)
    with display() as report:
        best = train(config, out, resume=resume, report=report)
        found = confirming.confirm(out, jobs=jobs, report=report) if confirm else None
    points = Journal(out).validated()
    before, after = points[0], min(points) if found is None or found.better else points[0]
    row: dict[str, object] = {
        "network": str(best),
        "delay_before_s": before,
        "delay_after_s": after,
        "change_percent": 100 * (after / before - 1),
    }
    if found is not None:
        row |= _confirmed(found)
    if as_json:
        print_json(row)
    else:
        print_table([row], title=f"Trained further on {scenario}")


def _confirmed(found: Confirmation) -> dict[str, object]:
    """What the comparison on fresh traffic says."""
    calm = found.calm_difference
    return {
        "fresh_start_s": found.start.mean,
        "fresh_trained_s": found.trained.mean,
        "calm_difference_s": "" if calm is None else f"{calm.low:+.1f} to {calm.high:+.1f}",
        "jams": "{} / {}".format(*found.jams),
        "kept": "trained" if found.better else "start",
    }
