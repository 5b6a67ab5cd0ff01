"""UTDF: a file as Synchro writes it becomes plans, our tables become UTDF, and nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stopline_signals import Aspect, PlanError, Recall, plan_from_table, plan_to_table
from stopline_signals.ring_barrier import Overlap, Pattern, Phase, RingBarrier, dual_ring
from stopline_signals.utdf import plans_from_utdf, ring_barriers_from_utdf, utdf_from_ring_barriers

MPH = 0.44704


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    return (root / "tests/signals/data/two_signals.csv").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tables(text: str) -> dict[str, RingBarrier]:
    return ring_barriers_from_utdf(text, "two_signals.csv")


def test_only_intersections_with_phases_are_signals(tables: dict[str, RingBarrier]) -> None:
    assert set(tables) == {"3", "9"}


def test_brp_places_the_phases(tables: dict[str, RingBarrier]) -> None:
    assert tables["3"].rings == (((1, 2), (4,)), ((5, 6), (8,)))
    assert tables["9"].rings == (((1, 2), (3, 4)), ((5, 6), ()))


def test_a_phase_has_its_times_and_its_movements(tables: dict[str, RingBarrier]) -> None:
    phase = tables["3"].phase(2)
    assert (phase.name, phase.approach, phase.lanes) == ("WBT+WBR", "WB", 2.0)
    assert (phase.min_green, phase.max_green, phase.passage) == (250, 731, 35)
    assert (phase.yellow, phase.red, phase.walk, phase.ped_clear) == (44, 11, 70, 160)
    assert (phase.recall, tables["3"].phase(4).recall) == (Recall.MAX, Recall.PED)
    assert phase.speed == pytest.approx(40 * MPH, abs=0.01)
    assert (phase.grade, tables["3"].phase(6).grade) == (-0.03, 0.02)
    assert tables["3"].phase(1).walk == 0


def test_a_turn_gives_way_to_the_traffic_that_comes_towards_it(tables: dict[str, RingBarrier]) -> None:
    """EBL has phase 1 for itself and may go with its own through, phase 6; westbound is phase 2."""
    left = tables["3"].phase(1)
    assert (left.permissive_with, left.yields_to) == ((6,), (2,))
    turns = {overlap.name: overlap for overlap in tables["3"].overlaps}
    assert (turns["NBL"].parents, turns["NBL"].permissive_with, turns["NBL"].yields_to) == ((), (8,), (4,))
    assert tables["9"].phase(1).permissive_with == ()


def test_the_plan_serves_what_the_file_says(text: str) -> None:
    plan = plans_from_utdf(text)["3"]
    assert [stage.name for stage in plan.stages] == ["1+5", "1+6", "2+5", "2+6", "4+8"]
    shown = {stage.name: stage.aspect(plan.group_index("EBL")) for stage in plan.stages}
    assert shown == {
        "1+5": Aspect.GREEN,
        "1+6": Aspect.GREEN,
        "2+5": Aspect.RED,
        "2+6": Aspect.PERMISSIVE,
        "4+8": Aspect.RED,
    }
    assert plan.stages[-1].permissive == (plan.group_index("NBL"), plan.group_index("SBL"))
    assert plan_from_table(plan_to_table(plan)) == plan


def test_the_pattern_keeps_the_master_clock(text: str) -> None:
    program = plans_from_utdf(text)["3"].program
    assert program is not None
    assert (program.cycle, program.offset) == (1300, 719)
    assert [step.green_at for step in program.steps] == [0, 120, 900]


def test_a_right_turn_with_two_phases_is_an_overlap(text: str) -> None:
    with_overlap = text.replace("Phase2,3,,,,,,,,,3,,,,,", "Phase2,3,,,,,,,,,4,,,,,")
    table = ring_barriers_from_utdf(with_overlap)["3"]
    overlap = next(overlap for overlap in table.overlaps if overlap.name == "EBR")
    assert overlap.parents == (4, 6)
    assert table.phase(6).name == "EBT"
    stages = {
        stage.name for stage in table.plan().stages if table.plan().group_index("EBR") in stage.protected
    }
    assert stages == {"1+6", "2+6", "4+8"}


def test_metric_files_have_kilometres_per_hour(text: str) -> None:
    table = ring_barriers_from_utdf(text.replace("Metric,0", "Metric,1"))["3"]
    assert table.phase(2).speed == pytest.approx(40 / 3.6, abs=0.01)


def test_a_file_without_starts_has_no_program(text: str) -> None:
    plan = plans_from_utdf(text.replace("Start,3", "Begin,3"))["3"]
    assert plan.program is None


def test_utdf_to_ours_to_utdf(text: str, tables: dict[str, RingBarrier]) -> None:
    written = utdf_from_ring_barriers(tables.values())
    again = ring_barriers_from_utdf(written, "two_signals.csv")
    assert again == tables
    assert utdf_from_ring_barriers(again.values()) == written


NAMES = ("WBL", "EBT+EBR", "SBL", "NBT", "EBL", "WBT", "NBL", "SBT+SBR")


@st.composite
def synchro_tables(draw: st.DrawFn) -> RingBarrier:
    """Dual rings with random times and a pattern, as Synchro could hold them."""
    phases = tuple(draw(_phase(number, NAMES[number - 1])) for number in range(1, 9))
    thirds = {number: draw(st.integers(50, 400)) for number in (1, 3, 5, 7)}
    sides = {1: draw(st.integers(500, 800)), 3: draw(st.integers(500, 800))}
    splits = {n: thirds[n] for n in thirds}
    splits |= {n + 1: sides[1 if n in (1, 5) else 3] - thirds[n] for n in thirds}
    cycle = sum(sides.values())
    return RingBarrier(
        junction="7",
        rings=dual_ring("7").rings,
        phases=phases,
        pattern=Pattern(cycle, draw(st.integers(0, cycle - 1)), tuple(sorted(splits.items()))),
        source="utdf, intersection 7",
    )


@st.composite
def _phase(draw: st.DrawFn, number: int, name: str) -> Phase:
    left = name.endswith("L")
    walk = draw(st.integers(40, 90)) if not left and draw(st.booleans()) else 0
    own = {"WBL": (6, 2), "SBL": (8, 4), "EBL": (2, 6), "NBL": (4, 8)}
    times: dict[str, Any] = {
        "min_green": draw(st.integers(10, 300)),
        "max_green": draw(st.integers(100, 900)),
        "passage": draw(st.integers(0, 80)),
        "yellow": draw(st.integers(30, 60)),
        "red": draw(st.integers(0, 60)),
    }
    permissive = left and draw(st.booleans())
    return Phase(
        number=number,
        name=name,
        approach=name[:2],
        recall=draw(st.sampled_from([Recall.NONE, Recall.MIN, Recall.PED, Recall.MAX])),
        walk=walk,
        ped_clear=draw(st.integers(0, 300)) if walk else 0,
        permissive_with=own[name][:1] if permissive else (),
        yields_to=own[name][1:] if permissive else (),
        lanes=draw(st.integers(1, 4)) * 1.0,
        speed=0.0 if left else round(draw(st.integers(10, 70)) * MPH, 2),
        grade=0.0 if left else draw(st.integers(-8, 8)) / 100,
        **times,
    )


@given(table=synchro_tables())
def test_what_synchro_can_hold_comes_back_whole(table: RingBarrier) -> None:
    written = utdf_from_ring_barriers([table])
    assert ring_barriers_from_utdf(written) == {"7": table}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[Phases]", "[Phasing]", "but no [Phases]; export UTDF as one combined CSV file"),
        (
            "MinGreen,3,5,25",
            "MinGreen,3,five,25",
            "[Phases] MinGreen, intersection 3: 'five' is not a number",
        ),
        ("BRP,9,111", "BRP,9,11", "[Phases] BRP, intersection 9: phase 1 has '11'"),
        ("Recall,9,0", "Recall,9,7", "[Phases] Recall, intersection 9: phase 1 has 7; known are 0 to 4"),
        ("End,9,101,14", "End,9,101,24", "intersection 9: junction 9: ring-barrier table pattern"),
    ],
)
def test_a_mistake_is_named(text: str, old: str, new: str, message: str) -> None:
    assert old in text
    with pytest.raises(PlanError) as caught:
        plans_from_utdf(text.replace(old, new), "bad.csv")
    assert message in str(caught.value)
    assert str(caught.value).startswith("bad.csv")


@pytest.mark.parametrize(
    ("phase", "message"),
    [(Phase(number=17), "has phase 17"), (Phase(number=2, recall=Recall.SOFT), "soft recall at phase 2")],
)
def test_what_utdf_cannot_hold_is_refused(phase: Phase, message: str) -> None:
    table = RingBarrier(junction="J", rings=(((phase.number,),),), phases=(phase,))
    with pytest.raises(PlanError, match=message):
        utdf_from_ring_barriers([table])


def test_a_group_that_is_no_movement_still_has_its_phase() -> None:
    table = RingBarrier(
        junction="J", rings=(((2,),),), phases=(Phase(number=2),), overlaps=(Overlap(name="A", parents=(2,)),)
    )
    again = ring_barriers_from_utdf(utdf_from_ring_barriers([table]))["J"]
    assert [phase.number for phase in again.phases] == [2]
    assert again.overlaps == ()
