"""`stopline demo`: the whole chain once, from SUMO to the cabinets and back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stopline_cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from rich.progress import Progress

    from stopline_cli.demonstration.closed_loop import LoopResult
    from stopline_envs.scenario import Scenario

CONTROLLERS = ("fixed", "actuated", "bundle")
DEFAULT_SECONDS = 900


def command(
    scenario: Annotated[str, typer.Option(help="Built-in scenario or scenario TOML file.")] = "arterial",
    begin: Annotated[
        int | None, typer.Option(help="Start in seconds; by default the scenario's demo window.")
    ] = None,
    seconds: Annotated[int, typer.Option(min=120, help="Simulated seconds of each run.")] = DEFAULT_SECONDS,
    rate: Annotated[
        float, typer.Option(min=1, max=20, help="Simulated seconds per second in the loop.")
    ] = 5.0,
    seeds: Annotated[int, typer.Option(min=1, help="Paired seeds of the table.")] = 5,
    bundle: Annotated[str, typer.Option(help='"shipped", or the path of a bundle.')] = "shipped",
    protocols: Annotated[
        str, typer.Option(help='What the cabinets speak: modbus, ntcip, or "modbus,ntcip" in turns.')
    ] = "modbus",
    out: Annotated[Path, typer.Option(help="Folder for summary.json and report.html.")] = Path("runs/demo"),
    as_json: JsonOption = False,
) -> None:
    """Run the main job to its end: compare controllers, then close the loop over gRPC and real wires.

    First fixed time, tuned actuated control and the bundle meet the same traffic in-process, seed by seed.
    Then a real controller process runs the bundle at virtual cabinets, over Modbus TCP, NTCIP or some of each
    (`--protocols modbus,ntcip`), with SUMO as the street, while an ambulance crosses and an operator takes a
    junction over through gRPC. A conflict monitor watches every lamp: one violation makes the exit code 1.

    Leaves `summary.json`, `report.html`, the site files and the controller's log in `--out`.
    """
    from stopline_cli.demonstration.report import write_report
    from stopline_cli.demonstration.summary import summary_table, table_rows
    from stopline_hil.fitting import protocols_of

    protocols_of((), (protocols,))  # a name nobody speaks is told now, not after the comparison
    began = time.monotonic()
    chosen = _window(scenario, begin, seconds)
    out.mkdir(parents=True, exist_ok=True)
    policy = "bundle" if bundle == "shipped" else f"bundle:{Path(bundle).resolve()}"
    with _progress() as progress:
        evaluation = _evaluate(chosen, policy, seeds, progress)
        without = _without_priority(chosen, policy, progress)
        loop = _close_the_loop(chosen, out, rate, policy, progress, protocols)
    summary = summary_table(evaluation, loop, without, bundle_sha256=_bundle_hash(bundle))
    summary["wall_s"] = round(time.monotonic() - began, 1)
    line = shlex.join(["stopline", *sys.argv[1:]])
    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    (out / "ambulance.png").write_bytes(write_report(summary, loop, out / "report.html", command=line))
    if as_json:
        print_json(summary)
    else:
        title = f"{chosen.name}, {chosen.begin} to {chosen.end} s, {seeds} paired seeds"
        print_table(table_rows(summary), title=title)
        _say(summary, out)
    _judge(summary)


def _window(name: str, begin: int | None, seconds: int) -> Scenario:
    """The part of the scenario to run: its demo window, else the middle of its time."""
    from stopline_envs.scenario import load_scenario

    whole = load_scenario(name)
    if begin is None and any(known == "demo" for known, _, _ in whole.windows):
        begin = whole.window("demo").begin
    if begin is None:
        begin = whole.begin + max(0, whole.duration - seconds) // 2
    return whole.between(begin, min(begin + seconds, whole.end))


def _evaluate(scenario: Scenario, policy: str, seeds: int, progress: Progress) -> Any:
    from stopline_agents.evaluate import evaluate

    names = [*CONTROLLERS[:-1], policy]
    task = progress.add_task("comparing controllers", total=len(names) * seeds)
    jobs = min(os.cpu_count() or 1, 8)
    return evaluate(
        scenario, names, range(1, seeds + 1), jobs=jobs, on_run=lambda run: progress.advance(task)
    )


def _without_priority(scenario: Scenario, policy: str, progress: Progress) -> Any:
    from stopline_cli.demonstration.without_priority import run_without_priority

    task = progress.add_task("ambulance without priority", total=1)
    figures = run_without_priority(scenario, policy, 1)
    progress.advance(task)
    return figures


def _close_the_loop(
    scenario: Scenario, out: Path, rate: float, policy: str, progress: Progress, protocols: str
) -> LoopResult:
    from stopline_cli.demonstration.closed_loop import run_closed_loop

    task = progress.add_task("closed loop", total=scenario.duration)
    bundle = "shipped" if policy == "bundle" else policy.partition(":")[2]

    def tick(now: int) -> None:
        progress.update(task, completed=now - scenario.begin + 1)

    running = run_closed_loop(scenario, out, seed=1, rate=rate, bundle=bundle, tick=tick, protocols=protocols)
    return asyncio.run(running)


def _bundle_hash(bundle: str) -> str:
    from stopline_policy.bundle import SHIPPED, read_bundle

    return read_bundle(SHIPPED if bundle == "shipped" else Path(bundle)).sha256


def _say(summary: dict[str, Any], out: Path) -> None:
    found, without = summary["emergency"], summary["emergency"]["without_priority"]
    typer.echo(
        f"ambulance: {found['travel_time_s']:.0f} s, {found['crossed_without_stop']} of {found['signals']} "
        f"signals without a stop (without priority {without['travel_time_s']:.0f} s, "
        f"{without['crossed_without_stop']} of {without['signals']})"
    )
    if summary["override"] is not None:
        override = summary["override"]
        typer.echo(
            f"operator: {override['answer']} at {override['junction']}, in force after "
            f"{override['in_force_after_s']} s, policy back after {override['policy_back_after_s']} s"
        )
    typer.echo(
        f"closed loop: {summary['decisions']} decisions audited, {summary['plans_accepted']} plans accepted, "
        f"decision p50 {summary['decision_ms']['p50']:.2f} ms, p99 {summary['decision_ms']['p99']:.2f} ms, "
        f"{summary['mmu_violations']} violations"
    )
    typer.echo(f"wrote {out / 'summary.json'} and {out / 'report.html'} in {summary['wall_s']:.0f} s")


def _judge(summary: dict[str, Any]) -> None:
    seen = sum(sum(row["violations"]["per_seed"]) for row in summary["controllers"].values())
    if seen or summary["mmu_violations"]:
        reasons = "; ".join(summary["first_violations"][:3]) or "in the in-process runs"
        typer.echo(f"error: the conflict monitor saw violations: {reasons}", err=True)
        raise typer.Exit(1)


@contextlib.contextmanager
def _progress() -> Generator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<28}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield progress
