"""`stopline network export`: signal plans as SUMO programs, plan files for cabinets, or UTDF."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stopline_cli.plan_sources import Source


class Form(StrEnum):
    """What is written."""

    SUMO = "sumo"
    TOML = "toml"
    UTDF = "utdf"


def command(
    place: Annotated[
        str,
        typer.Argument(
            metavar="NET|PLAN",
            help="SUMO network (.net.xml), scenario name, plan file (.toml, .json) or UTDF (.csv).",
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="File to write; for plan files of several junctions a directory.")
    ],
    form: Annotated[
        Form,
        typer.Option("--to", help="sumo: static programs; toml: a cabinet's plan; utdf: Synchro's file."),
    ] = Form.TOML,
    junction: Annotated[
        list[str] | None, typer.Option(help="Only this junction; may be repeated.", show_default=False)
    ] = None,
    additional: Annotated[
        list[Path] | None,
        typer.Option(help="SUMO additional file whose programs replace the network's.", show_default=False),
    ] = None,
    walks: Annotated[bool, typer.Option(help="SUMO: serve every crossing in every cycle, or none.")] = True,
    allow_errors: Annotated[
        bool, typer.Option("--allow-errors", help="Write plan files even when a finding is an error.")
    ] = False,
) -> None:
    """Write signal plans so that something else can run them.

    SUMO runs the plan's fixed program itself, with every yellow, red clearance and walk, from
    `--additional-files`. A plan file is what a cabinet and the controller read; it is refused while `stopline
    network inspect` finds an error in it. UTDF needs a source with rings and barriers.
    """
    from stopline_cli.plan_sources import read_sources

    sources = read_sources(place, additional or (), junction or ())
    if form is Form.SUMO:
        _write(out, _sumo(sources, walks=walks))
    elif form is Form.UTDF:
        _write(out, _utdf(place, sources))
    else:
        _plan_files(out, sources, allow_errors=allow_errors)
    typer.echo(f"{out}: {len(sources)} junction{'s' * (len(sources) != 1)}")


def _sumo(sources: list[Source], *, walks: bool) -> str:
    from stopline_cli.plan_sources import plan_of
    from stopline_envs.export import program_xml, sumo_program

    return program_xml(sumo_program(plan_of(source), source.program, walks=walks) for source in sources)


def _utdf(place: str, sources: list[Source]) -> str:
    from stopline_signals.errors import PlanError
    from stopline_signals.utdf import utdf_from_ring_barriers

    if without := [source.junction for source in sources if source.rings is None]:
        raise PlanError(
            f"{place}: junction {without[0]} is not given as rings and barriers, which is all UTDF can hold; "
            "write it as a plan file with a [ring_barrier] section"
        )
    return utdf_from_ring_barriers(source.rings for source in sources if source.rings is not None)


def _plan_files(out: Path, sources: list[Source], *, allow_errors: bool) -> None:
    import tomli_w

    from stopline_cli.plan_sources import plan_of
    from stopline_signals.errors import PlanError
    from stopline_signals.findings import Severity
    from stopline_signals.table import plan_to_table

    errors = [f"{s.junction}: {f}" for s in sources for f in s.findings if f.severity is Severity.ERROR]
    if errors and not allow_errors:
        raise PlanError("\n".join([*errors, "not written; correct the plan or take --allow-errors"]))
    texts = {source.junction: tomli_w.dumps(plan_to_table(plan_of(source))) for source in sources}
    if len(texts) == 1 and not out.is_dir():
        _write(out, next(iter(texts.values())))
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        _write(out / f"{_file_name(name)}.toml", text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _file_name(junction: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in junction)
