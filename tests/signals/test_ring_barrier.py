"""Ring-barrier tables: the stages a NEMA controller allows, its intervals, turns that flash, table form."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stopline_signals import (
    KEEP,
    NO_CONFLICT,
    Aspect,
    Engine,
    GroupKind,
    PlanError,
    Recall,
    SignalPlan,
    plan_from_table,
    plan_to_table,
)
from stopline_signals.ring_barrier import Overlap, Pattern, Phase, RingBarrier, dual_ring
from stopline_signals.ring_table import ring_barrier_from_table, ring_barrier_to_table
from tests.signals.lamp_checker import LampChecker

LEGAL_PAIRS = {"1+5", "1+6", "2+5", "2+6", "3+7", "3+8", "4+7", "4+8"}
SPLITS = ((1, 150), (2, 350), (3, 150), (4, 350), (5, 200), (6, 300), (7, 170), (8, 330))


def flashing(**more: Any) -> RingBarrier:
    """Dual ring with flashing yellow arrows on the main street and crossings beside phases 2, 4, 6 and 8."""
    phases = [Phase(number=n, yellow=40, red=15, walk=70, ped_clear=120) for n in (2, 4, 6, 8)]
    phases += [Phase(number=1, permissive_with=(2,)), Phase(number=5, permissive_with=(6,))]
    return dual_ring("Main/1st", phases, **more)


@st.composite
def tables(draw: st.DrawFn) -> RingBarrier:
    """Two or three rings over one to three barrier sides, whitelists, turns, overlaps and a pattern."""
    rings_count, sides = draw(st.integers(2, 3)), draw(st.integers(1, 3))
    numbers = iter(range(1, 40))
    rings = tuple(
        tuple(tuple(next(numbers) for _ in range(draw(st.integers(0, 2)))) for _ in range(sides))
        for _ in range(rings_count)
    )
    used = [phase for ring in rings for side in ring for phase in side]
    assume(used)
    across = [
        (p, q)
        for side in range(sides)
        for one, other in combinations([ring[side] for ring in rings], 2)
        for p in one
        for q in other
    ]
    whitelist = tuple(pair for pair in across if draw(st.integers(0, 4)))
    together = {frozenset(pair) for pair in whitelist or across}
    phases = tuple(draw(_phases(number, used, together)) for number in used)
    table = RingBarrier(
        junction="J",
        rings=rings,
        phases=phases,
        concurrency=whitelist,
        overlaps=tuple(draw(_overlaps(name, used)) for name in "AB"[: draw(st.integers(0, 2))]),
        ped_buffer=draw(st.integers(30, 60)),
    )
    return replace(table, pattern=_pattern(table) if draw(st.booleans()) else None)


@st.composite
def _phases(draw: st.DrawFn, number: int, used: list[int], together: set[frozenset[int]]) -> Phase:
    foes = [other for other in used if other != number and frozenset({other, number}) not in together]
    turning = bool(foes) and draw(st.booleans())
    return Phase(
        number=number,
        min_green=draw(st.integers(10, 80)),
        yellow=draw(st.integers(30, 60)),
        red=draw(st.integers(0, 40)),
        passage=draw(st.integers(0, 50)),
        recall=draw(st.sampled_from(Recall)),
        walk=draw(st.sampled_from([0, 40, 70])),
        ped_clear=draw(st.integers(30, 200)),
        permissive_with=(draw(st.sampled_from(foes)),) if turning else (),
        speed=draw(st.floats(0, 30)),
    )


@st.composite
def _overlaps(draw: st.DrawFn, name: str, used: list[int]) -> Overlap:
    return Overlap(
        name=name, parents=tuple(sorted(draw(st.sets(st.sampled_from(used), min_size=1, max_size=2))))
    )


def _pattern(table: RingBarrier) -> Pattern:
    """Splits of 20 s for each place the longest ring has on a side."""
    splits: dict[int, int] = {}
    cycle = 0
    for side in table.sides():
        length = 200 * max(len(ring) for ring in side)
        cycle += length
        splits.update({phase: length // len(ring) for ring in side for phase in ring})
    return Pattern(cycle, 70, tuple(splits.items()))


def test_the_stages_are_the_legal_pairs() -> None:
    assert {stage.name for stage in flashing().plan().stages} == LEGAL_PAIRS


@given(table=tables())
def test_no_stage_crosses_a_barrier_or_the_whitelist(table: RingBarrier) -> None:
    """Invariant (g) of the guard: rings cross barriers together, because every stage lies on one side."""
    plan = table.plan()
    sides = [{phase for ring in side for phase in ring} for side in table.sides()]
    served: set[int] = set()
    for stage in plan.stages:
        phases = [int(number) for number in stage.name.split("+")]
        assert any(set(phases) <= side for side in sides)
        assert all(table.concurrent(p, q) for p in phases for q in phases if p != q)
        served |= set(phases)
    assert served == {phase.number for phase in table.phases}


@given(table=tables())
def test_yellow_and_red_clearance_are_a_constant_row(table: RingBarrier) -> None:
    plan = table.plan()
    for phase in table.phases:
        index = plan.group_index(phase.label)
        row = {value for value in plan.intergreen[index] if value != NO_CONFLICT}
        assert row <= {phase.yellow + phase.red}
        if phase.walk:
            row = set(plan.intergreen[plan.group_index(f"P{phase.number}")]) - {NO_CONFLICT}
            assert row <= {phase.ped_clear + max(table.ped_buffer, phase.yellow + phase.red)}


@given(table=tables(), requests=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 90)), max_size=20))
def test_no_table_makes_the_engine_show_what_nobody_may_see(
    table: RingBarrier, requests: list[tuple[int, int]]
) -> None:
    plan = table.plan()
    engine, checker = Engine(plan), LampChecker(plan)
    state = engine.start(0)
    calls = (1 << len(plan.groups)) - 1
    for request, ticks in requests:
        for _ in range(ticks):
            checker.see(state.now, state.aspects)
            state = engine.advance(state, request % len(plan.stages), calls, state.now + 1).state
    assert checker.problems == []


@given(table=tables())
def test_the_table_form_loses_nothing(table: RingBarrier) -> None:
    form = json.loads(json.dumps(ring_barrier_to_table(table)))
    assert ring_barrier_from_table(form) == table
    plan = plan_from_table(form)
    assert plan == table.plan()
    assert plan_from_table(plan_to_table(plan)) == plan


def test_a_flashing_yellow_arrow_runs_while_the_opposing_through_is_green() -> None:
    plan = flashing().plan()
    one, two, walk = (plan.group_index(name) for name in ("1", "2", "P2"))
    shown = {stage.name: stage.aspect(one) for stage in plan.stages}
    assert {name for name, aspect in shown.items() if aspect is Aspect.PERMISSIVE} == {"2+5", "2+6"}
    assert {name for name, aspect in shown.items() if aspect is Aspect.GREEN} == {"1+5", "1+6"}
    assert plan.yields[one][two] and plan.yields[one][walk]
    assert plan.groups[one].oncoming == ("2",)


def test_a_five_section_head_runs_with_its_own_through_and_is_never_trapped() -> None:
    """Permissive with 6 it gives way to 2: when 6 ends first, 2 ends with it instead of trapping the turn."""
    left = Phase(number=1, permissive_with=(6,), yields_to=(2,))
    plan = dual_ring("J", [left]).plan()
    one, two = plan.group_index("1"), plan.group_index("2")
    shown = {stage.name: stage.aspect(one) for stage in plan.stages}
    assert (shown["2+6"], shown["2+5"]) == (Aspect.PERMISSIVE, Aspect.RED)
    engine = Engine(plan)
    state = engine.advance(engine.start(0, plan.stage_index("2+6")), -1, 0, 300).state
    seen: list[tuple[int, int]] = []
    for now in range(301, 500):
        state = engine.advance(state, plan.stage_index("2+5"), 0, now).state
        seen.append((state.aspects[one], state.aspects[two]))
    assert (Aspect.YELLOW, Aspect.GREEN) not in seen
    assert seen[-1] == (Aspect.RED, Aspect.GREEN)


def test_an_overlap_stays_green_from_parent_to_parent() -> None:
    plan = flashing(overlaps=[Overlap(name="A", parents=(1, 2), yellow=40, red=10)]).plan()
    overlap = plan.group_index("A")
    engine = Engine(plan)
    state = engine.advance(engine.start(0, plan.stage_index("1+6")), -1, 0, 300).state
    assert state.aspects[overlap] == Aspect.GREEN
    for now in range(301, 450):
        state = engine.advance(state, plan.stage_index("2+6"), 0, now).state
        assert state.aspects[overlap] == Aspect.GREEN
    assert plan.intergreen[overlap][plan.group_index("4")] == 50


def test_a_turn_without_a_phase_is_permissive_only() -> None:
    table = flashing(overlaps=[Overlap(name="NBL", permissive_with=(8,), yields_to=(4,))])
    plan = table.plan()
    turn = plan.group_index("NBL")
    assert {plan.stages[stage].name for stage in plan.stages_serving(turn)} == {"3+8", "4+8"}
    assert all(turn not in stage.protected for stage in plan.stages)
    assert plan.yields[turn][plan.group_index("P4")]


def test_two_permissive_turns_that_face_each_other_run_together() -> None:
    """A left with a phase of its own (3) and an opposing one without: both give way beside 4 and 8."""
    phases = [Phase(number=3, permissive_with=(8,), yields_to=(4,))]
    plan = dual_ring("J", phases, overlaps=[Overlap(name="SBL", permissive_with=(4,), yields_to=(8,))]).plan()
    stage = plan.stages[plan.stage_index("4+8")]
    assert {plan.groups[group].name for group in stage.permissive} == {"3", "SBL"}
    assert plan.stages[plan.stage_index("3+8")].aspect(plan.group_index("SBL")) is Aspect.RED
    one, other = plan.group_index("3"), plan.group_index("SBL")
    assert plan.intergreen[one][other] == plan.intergreen[other][one] == 50


def test_pedestrians_run_with_their_phase() -> None:
    plan = flashing().plan()
    walk = plan.groups[plan.group_index("P2")]
    assert (walk.kind, walk.on_demand, walk.phase) == (GroupKind.PEDESTRIAN, True, 2)
    for stage in plan.stages:
        shows = stage.aspect(plan.group_index("P2")) is Aspect.GREEN
        assert shows == ("2" in stage.name.split("+"))


def test_a_pedestrian_recall_is_the_crossing_s() -> None:
    plan = dual_ring("J", [Phase(number=2, walk=70, ped_clear=90, recall=Recall.PED)]).plan()
    recalls = {group.name: group.recall for group in plan.groups if group.recall is not Recall.NONE}
    assert recalls == {"P2": Recall.PED}


def test_the_pattern_is_the_fixed_program() -> None:
    plan = flashing(pattern=Pattern(1000, 270, SPLITS)).plan()
    assert plan.program is not None
    steps = [(plan.stages[step.stage].name, step.green_at) for step in plan.program.steps]
    # 7 ends 2 s after 3, sooner than it could clear: ring 1 waits for ring 2.
    assert steps == [("1+5", 0), ("2+5", 150), ("2+6", 200), ("3+7", 500), ("4+8", 670)]
    assert (plan.program.cycle, plan.program.offset) == (1000, 270)


def test_the_engine_keeps_the_pattern_s_greens() -> None:
    plan = flashing(pattern=Pattern(1000, 0, SPLITS)).plan()
    engine = Engine(plan)
    state, begins = engine.start(0), dict[str, list[int]]()
    for now in range(1, 3000):
        before = state.aspects
        state = engine.advance(state, KEEP, 0, now).state
        state = engine.advance(state, engine.program_request(state), 0, now).state
        for index, group in enumerate(plan.groups):
            if state.aspects[index] == Aspect.GREEN != before[index]:
                begins.setdefault(group.name, []).append(now)
    assert begins["2"] == [150, 1150, 2150]
    assert begins["6"] == [200, 1200, 2200]
    assert begins["4"] == begins["8"] == [670, 1670, 2670]


TOML = """
junction = "Main/1st"
source = "cabinet sheet 7"
red_revert = 25

[ring_barrier]
rings = [[[1, 2], [4]], [[6], []]]

[[ring_barrier.phase]]
number = 1
permissive_with = [2]

[[ring_barrier.phase]]
number = 2
name = "eastbound"
min_green = 100
yellow = 43
red = 15
walk = 70
ped_clear = 140
recall = "min"

[[ring_barrier.phase]]
number = 4

[[ring_barrier.phase]]
number = 6

[ring_barrier.pattern]
cycle = 800
splits = { 1 = 150, 2 = 350, 4 = 300, 6 = 500 }

[[preempt]]
name = "engine"
dwell = "2+6"

[[detector]]
name = "loop"
kind = "near_zone"
group = "eastbound"
end_m = 50
"""


def from_toml(text: str) -> SignalPlan:
    return plan_from_table(tomllib.loads(text), "main.toml")


def test_a_plan_file_may_hold_rings() -> None:
    plan = from_toml(TOML)
    assert [stage.name for stage in plan.stages] == ["1+6", "2+6", "4"]
    eastbound = plan.groups[plan.group_index("eastbound")]
    assert (eastbound.phase, eastbound.recall, eastbound.yellow) == (2, Recall.MIN, 43)
    assert plan.rings == (((0, 1), (2,)), ((3,), ()))
    assert (plan.red_revert, plan.source) == (25, "cabinet sheet 7")
    assert plan.preempts[0].dwell == 1
    assert plan.detectors[0].group == 1
    assert plan_from_table(plan_to_table(plan)) == plan


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("number = 4", "number = 3", "has phase 3 in its rings or among its phases, but not in both"),
        ("number = 4", "nubmer = 4", "phase 2: unknown key 'nubmer'"),
        ("number = 4", 'name = "4"', "number must be int"),
        ("[[6], []]", "[[6, 4], []]", "has phase 4 twice in its rings"),
        ("[[6], []]", "[[6]]", "same number of barrier sides"),
        ("[[6], []]", "[6, []]", "ring 2: must be a list of lists"),
        ("[[6], []]", '[["6"], []]', "must be a list of whole numbers"),
        (
            "permissive_with = [2]",
            "permissive_with = [6]",
            "makes phase 1 give way to 6, which may run with it",
        ),
        ("permissive_with = [2]", "permissive_with = [8]", "names phase 8; it has 1, 2, 4, 6"),
        ('recall = "min"', 'recall = "always"', "recall: 'always'"),
        ("yellow = 43", "yellow = 4.3", "phase 2: yellow must be int"),
        ("yellow = 43", "yellow = -1", "yellow must be 0..36000"),
        ("6 = 500", "6 = 400", "pattern: the splits of the rings differ at barrier 1"),
        ("6 = 500", "5 = 500", "pattern has no split for phase 6"),
        ("cycle = 800", "cycle = 900", "splits add up to 800 tenths, the cycle is 900"),
        ("red_revert = 25", "stage = []", "stage stands beside [ring_barrier]"),
        ('group = "eastbound"', 'group = "westbound"', "unknown group 'westbound'"),
        ('dwell = "2+6"', 'dwell = "6+2"', "unknown stage '6+2'"),
    ],
)
def test_a_mistake_in_the_table_is_named(old: str, new: str, message: str) -> None:
    assert old in TOML
    with pytest.raises(PlanError, match=re.escape(message)) as caught:
        from_toml(TOML.replace(old, new))
    assert str(caught.value).startswith("main.toml: ")


def test_a_whitelist_may_not_join_what_a_ring_or_barrier_parts() -> None:
    for pair in ((1, 2), (1, 8)):
        with pytest.raises(PlanError, match="share a ring or a barrier parts"):
            replace(dual_ring("J"), concurrency=(pair,))


def test_an_overlap_needs_a_name_and_something_to_follow() -> None:
    with pytest.raises(PlanError, match="without a name"):
        dual_ring("J", overlaps=[Overlap(parents=(1,))])
    with pytest.raises(PlanError, match="without parents"):
        dual_ring("J", overlaps=[Overlap(name="A")])
