"""`stopline train`: one policy for any junction, learned on generated networks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stopline_cli.output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from stopline_agents.training.keeper import Progress


def command(
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoints, curve, best network.")] = Path(
        "runs/train"
    ),
    config: Annotated[
        Path | None, typer.Option(help="TOML file that sets any field of the run.", show_default=False)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Training seed.", show_default=False)] = None,
    decisions: Annotated[
        int | None, typer.Option(help="Decisions to learn from, all junctions together.", show_default=False)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="SUMO processes; one less than your cores is good.", show_default=False)
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="Weights to start from in place of imitation: a run's folder, a bundle, or `bundle` for the "
            "shipped one.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the folder's last checkpoint.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train the shared policy on networks generated from seeds; nothing is downloaded, no public map is used.

    The policy first imitates a rule, then improves on it with PPO. The network that does best on separate
    validation networks is kept in `best.pt`; `curve.csv` and TensorBoard events (`tb`) tell how it went.
    Interrupt it when you like: `--resume` goes on from the last checkpoint. Then `stopline export`.

    Example: `stopline train --out runs/mine --decisions 500000 --seed 3`
    """
    from stopline_agents.training.config import load_config
    from stopline_agents.training.journal import Journal
    from stopline_agents.training.train import train

    chosen = load_config(config, seed=seed, decisions=decisions, workers=workers, start=start)
    began = time.monotonic()
    with display() as report:
        best = train(chosen, out, resume=resume, report=report)
    found = Journal(out).read("best.json")
    row: dict[str, object] = {
        "network": str(best),
        "decisions": found.get("decisions", 0),
        "validation_delay_s": _mean(found.get("delays_s", [])),
        "minutes": (time.monotonic() - began) / 60,
    }
    if as_json:
        print_json(row)
    else:
        print_table([row], title="Best network")


def _mean(delays: list[float]) -> float | None:
    return sum(delays) / len(delays) if delays else None


@contextlib.contextmanager
def display() -> Generator[Callable[[Progress], None]]:
    """A bar on stderr with the time left."""
    import rich.progress
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with rich.progress.Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, rich.progress.TaskID] = {}

        def report(progress: Progress) -> None:
            if progress.phase not in tasks:
                tasks[progress.phase] = bars.add_task(progress.phase, total=progress.total, note="")
            bars.update(tasks[progress.phase], completed=progress.done, note=progress.note)

        yield report
