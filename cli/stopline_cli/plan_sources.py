"""Where plans come from: SUMO networks and scenarios, plan files in TOML or JSON, Synchro's UTDF."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stopline_signals.errors import PlanError, StoplineError
from stopline_signals.findings import Finding
from stopline_signals.plan import SignalPlan
from stopline_signals.ring_barrier import RingBarrier

if TYPE_CHECKING:
    from stopline_envs.plans import Program

PLAN_FILES = (".toml", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One junction: its plan (None: no plan can be made of it), what verify says, and where it comes from.

    `remarks` is what the network reader put right, `program` the network's own program, `rings` the
    ring-barrier table where the file has one.
    """

    junction: str
    plan: SignalPlan | None
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...] = ()
    program: Program | None = None
    rings: RingBarrier | None = None


def read_sources(place: str, additional: Sequence[Path] = (), junctions: Sequence[str] = ()) -> list[Source]:
    """Every junction of a file or scenario, or those asked for, in the file's order.

    Raises:
        StoplineError: the file cannot be read, or has no junction of a name asked for.
    """
    path = Path(place)
    if path.suffix in PLAN_FILES:
        found = [_plan_file(path)]
    elif path.suffix == ".csv":
        found = _utdf(path)
    else:
        found = _network(place, additional)
    known = [source.junction for source in found]
    if missing := [name for name in junctions if name not in known]:
        raise StoplineError(f"{place}: no junction {missing[0]!r}; it has {', '.join(known)}")
    return [source for source in found if not junctions or source.junction in junctions]


def plan_of(source: Source) -> SignalPlan:
    """The plan; PlanError with the first finding where there is none."""
    if source.plan is None:
        raise PlanError(str(source.findings[0]))
    return source.plan


def _plan_file(path: Path) -> Source:
    from stopline_signals.ring_table import ring_barrier_from_table
    from stopline_signals.table import plan_from_table
    from stopline_signals.verify import verify_table

    table = _table(path)
    findings = verify_table(table, str(path))
    try:
        plan = plan_from_table(table, str(path))
        rings = ring_barrier_from_table(table, str(path)) if "ring_barrier" in table else None
    except PlanError:
        plan, rings = None, None
    return Source(junction=str(table.get("junction", path.stem)), plan=plan, findings=findings, rings=rings)


def _table(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    try:
        return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as error:
        raise PlanError(f"{path}: {error}") from None


def _utdf(path: Path) -> list[Source]:
    from stopline_signals.utdf import ring_barriers_from_utdf
    from stopline_signals.verify import verify

    tables = ring_barriers_from_utdf(path.read_text(encoding="utf-8-sig"), path.name)
    plans = {name: table.plan() for name, table in tables.items()}
    return [
        Source(junction=name, plan=plan, findings=verify(plan), rings=tables[name])
        for name, plan in plans.items()
    ]


def _network(place: str, additional: Sequence[Path]) -> list[Source]:
    from stopline_envs.plans import read_plans
    from stopline_envs.scenario import load_scenario
    from stopline_signals.verify import verify

    if Path(place).suffix in (".xml", ".gz"):
        plans = read_plans(place, additional)
    else:
        scenario = load_scenario(place)
        plans = read_plans(scenario.net, (*scenario.additional, *additional))
    remarks = {tls: tuple(str(f) for f in plans.findings if f.signal == tls) for tls in plans.plans}
    return [
        Source(
            junction=tls,
            plan=plan,
            findings=verify(plan),
            remarks=remarks[tls],
            program=plans.programs[tls],
        )
        for tls, plan in plans.plans.items()
    ]
