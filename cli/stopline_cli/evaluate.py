"""`stopline evaluate`: controllers side by side on one scenario, with the same seeds."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stopline_cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from stopline_agents.evaluate import Evaluation
    from stopline_envs.scenario import Scenario

DEFAULT_CONTROLLERS = "fixed,actuated,max-pressure,greedy,bundle"


def command(
    scenario: Annotated[
        str | None,
        typer.Option(help="A built-in scenario, or a scenario TOML file.", show_default=False),
    ] = None,
    net: Annotated[Path | None, typer.Option(help="Your own SUMO network, in place of a scenario.")] = None,
    routes: Annotated[str | None, typer.Option(help="With --net: route files, comma separated.")] = None,
    additional: Annotated[
        str | None, typer.Option(help="With --net: additional files, comma separated; their programs win.")
    ] = None,
    controllers: Annotated[
        str,
        typer.Option(
            help="Comma separated: fixed, webster, fixed-as-is, actuated, max-pressure, sotl, greedy, "
            "max-pressure-halting, rate-index, greedy-oracle (knows all turns), bundle (the shipped policy), "
            "bundle:PATH, sb3:PPO:FILE.zip (stable-baselines3), python:MODULE:CLASS (your own Policy)."
        ),
    ] = DEFAULT_CONTROLLERS,
    seeds: Annotated[int, typer.Option(min=1, help="Number of paired seeds.")] = 5,
    first_seed: Annotated[int, typer.Option(min=0, help="The first seed; the others follow it.")] = 1,
    begin: Annotated[int | None, typer.Option(help="Start in seconds; by default the scenario's.")] = None,
    end: Annotated[int | None, typer.Option(help="End in seconds; by default the scenario's.")] = None,
    demand: Annotated[float, typer.Option(min=0.01, max=10, help="Factor on the traffic.")] = 1.0,
    dead_detectors: Annotated[float, typer.Option(min=0, max=1, help="Share of detectors known dead.")] = 0.0,
    stuck_detectors: Annotated[
        float, typer.Option(min=0, max=1, help="Share of detectors that freeze unnoticed.")
    ] = 0.0,
    noise: Annotated[float, typer.Option(min=0, max=1, help="Chance that a vehicle is miscounted.")] = 0.0,
    latency: Annotated[float, typer.Option(min=0, max=60, help="Age of detector readings, s.")] = 0.0,
    resco_rules: Annotated[
        bool,
        typer.Option(
            "--resco-rules",
            help="RESCO's timing: decisions every 10 s, yellow 3 s, no all-red. Plans are benchmark_only.",
        ),
    ] = False,
    emissions: Annotated[bool, typer.Option("--emissions", help="Account for CO2 too (slower).")] = False,
    emergency: Annotated[
        bool,
        typer.Option(
            "--emergency",
            help="Send emergency vehicles and compare priority with none and with preemption at 100 m, under "
            "the first controller. Writes emergency.json.",
        ),
    ] = False,
    every: Annotated[int, typer.Option(min=30, help="With --emergency: seconds between vehicles.")] = 300,
    transit: Annotated[
        bool,
        typer.Option(
            "--transit",
            help="Compare priority for late buses to none, under the first controller; writes transit.json.",
        ),
    ] = False,
    late: Annotated[
        float, typer.Option(min=0, help="With --transit: seconds a bus must have lost to be served.")
    ] = 60.0,
    jobs: Annotated[int, typer.Option(min=1, help="Simulations at once.")] = min(os.cpu_count() or 1, 8),
    out: Annotated[Path, typer.Option(help="Folder for evaluation.json and report.html.")] = Path(
        "runs/evaluation"
    ),
    as_json: JsonOption = False,
) -> None:
    """Compare controllers on one scenario and write `evaluation.json` and `report.html`.

    Every controller meets the same traffic for the same seed, under the same rule book: same minimum greens,
    clearances and detectors. Delay is time loss plus departure delay over all scheduled vehicles, those never
    inserted counted to the end. A conflict monitor watches every lamp; a violation makes the exit code 1.

    Example: `stopline evaluate --scenario arterial --controllers fixed,actuated,bundle --seeds 5`
    """
    from stopline_agents.conditions import conditions_of
    from stopline_agents.evaluate import evaluate
    from stopline_agents.report import table_rows, write_report

    chosen = _scenario(scenario, net, routes, additional, begin, end)
    conditions = conditions_of(
        demand=demand,
        dead=dead_detectors,
        stuck=stuck_detectors,
        noise=noise,
        latency=latency,
        resco_rules=resco_rules,
        emissions=emissions,
    )
    names = [name.strip() for name in controllers.split(",") if name.strip()]
    numbers = range(first_seed, first_seed + seeds)
    one = names[-1] if controllers == DEFAULT_CONTROLLERS else names[0]
    if transit and emergency:
        raise typer.BadParameter("--emergency and --transit are two evaluations: give one of them")
    if transit:
        from stopline_cli import evaluate_transit

        evaluate_transit.run(chosen, one, numbers, late, jobs, out, as_json)
        return
    if emergency:
        from stopline_cli.evaluate_emergency import run

        run(
            chosen,
            one,
            numbers,
            every,
            jobs,
            out,
            as_json,
        )
        return
    with progress(len(names) * seeds) as advance:
        result = evaluate(chosen, names, numbers, conditions=conditions, jobs=jobs, on_run=advance)
    out.mkdir(parents=True, exist_ok=True)
    line = shlex.join(["stopline", *sys.argv[1:]])
    table = {**result.to_table(), "command": line}
    (out / "evaluation.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    write_report(result, out / "report.html", command=line)
    if as_json:
        print_json(table)
    else:
        title = f"{chosen.name}, {chosen.begin} to {chosen.end} s, {seeds} paired seeds (means)"
        print_table(table_rows(result), title=title)
        typer.echo(f"wrote {out / 'evaluation.json'} and {out / 'report.html'}")
    _fail_on_violations(result)


def _scenario(
    name: str | None,
    net: Path | None,
    routes: str | None,
    additional: str | None,
    begin: int | None,
    end: int | None,
) -> Scenario:
    from stopline_envs.scenario import load_scenario, scenario_from_files

    if (name is None) == (net is None):
        raise typer.BadParameter("give either --scenario NAME or --net FILE with --routes")
    if name is not None:
        if routes or additional:
            raise typer.BadParameter("--routes and --additional go with --net, not with --scenario")
        return load_scenario(name).between(begin, end)
    if net is None or not routes:
        raise typer.BadParameter("--net needs --routes FILE[,FILE...]")
    return scenario_from_files(
        net, _files(routes), _files(additional), begin or 0, 3600 if end is None else end
    )


def _files(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


@contextlib.contextmanager
def progress(total: int) -> Generator[Callable[[object], None]]:
    """A bar on stderr with the time left; the function given counts one run."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("runs", total=total)
        yield lambda run: progress.advance(task)


def _fail_on_violations(result: Evaluation) -> None:
    if result.conditions.benchmark_only:
        typer.echo("benchmark timing: the monitor's violations are counted in the table, and not judged")
        return
    bad = {row.controller: sum(row.figures["violations"].per_seed) for row in result.rows}
    bad = {name: count for name, count in bad.items() if count and name != "fixed-as-is"}
    if bad:
        typer.echo(f"error: the conflict monitor saw violations: {bad}", err=True)
        raise typer.Exit(1)
