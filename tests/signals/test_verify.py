"""verify(): a sound plan passes, and every rule finds the fault that was put in and names its source."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from stopline_signals import (
    ConflictPath,
    FixedProgram,
    GroupKind,
    Preempt,
    ProgramStep,
    SignalGroup,
    SignalPlan,
    Stage,
    plan_to_table,
)
from stopline_signals.intergreens import intergreen_matrix, rilsa_path
from stopline_signals.ring_barrier import Overlap, Pattern, Phase, RingBarrier, dual_ring
from stopline_signals.timing import STRAIGHT, TURNING, pedestrian_clearance, walk_time, yellow_time
from stopline_signals.verify import Finding, Rule, Severity, Source, verify, verify_table, worst
from tests.signals.plans_for_tests import four_groups, random_plans

FAST = 50 / 3.6
SPLITS = ((1, 200), (2, 400), (3, 200), (4, 400), (5, 200), (6, 400), (7, 200), (8, 400))
RAIL = Preempt(name="rail", dwell=3, track_clear=7, rail=True)
ENGINE = Preempt(name="engine", dwell=3, max_presence=1200)


def sound_rings(**more: Any) -> RingBarrier:
    """A dual ring whose every interval meets the book: 50 km/h, 24 m to clear, crossings of 15 m."""
    street: dict[str, Any] = {"speed": FAST, "crossing": 24.0, "yellow": yellow_time(FAST), "red": 22}
    walk: dict[str, Any] = {
        "walk": walk_time(15.0),
        "ped_clear": pedestrian_clearance(15.0),
        "ped_crossing": 15.0,
    }
    phases = [Phase(number=n, **street, **(walk if n % 2 == 0 else {})) for n in range(1, 9)]
    phases[0] = replace(phases[0], permissive_with=(2,))
    return dual_ring("J", phases, **more)


def sound(**changes: Any) -> SignalPlan:
    plan = sound_rings(pattern=Pattern(1200, 0, SPLITS)).plan()
    return replace(plan, preempts=(RAIL, ENGINE), **changes)


def with_group(plan: SignalPlan, name: str, **changes: Any) -> SignalPlan:
    groups = tuple(replace(g, **changes) if g.name == name else g for g in plan.groups)
    return replace(plan, groups=groups)


def with_intergreen(plan: SignalPlan, ending: str, starting: str, value: int) -> SignalPlan:
    rows = [list(row) for row in plan.intergreen]
    rows[plan.group_index(ending)][plan.group_index(starting)] = value
    return replace(plan, intergreen=tuple(map(tuple, rows)))


def found(plan: SignalPlan, rule: Rule, severity: Severity = Severity.ERROR) -> list[Finding]:
    return [finding for finding in verify(plan) if (finding.rule, finding.severity) == (rule, severity)]


def the_only(plan: SignalPlan, rule: Rule, severity: Severity = Severity.ERROR) -> Finding:
    """The one finding of the rule, in a plan with no worse one."""
    findings = found(plan, rule, severity)
    assert len(findings) == 1, "\n".join(map(str, verify(plan)))
    assert worst(verify(plan)) is severity
    return findings[0]


def test_a_sound_plan_has_nothing_against_it() -> None:
    assert worst(verify(sound())) is Severity.NOTE, "\n".join(map(str, verify(sound())))


def test_a_yellow_under_the_formula_is_found() -> None:
    finding = the_only(with_group(sound(), "2", yellow=32), Rule.YELLOW)
    assert (finding.place, finding.source) == ("group 2", Source.ITE)
    assert "3.2 s is under the 3.3 s" in finding.message
    assert found(with_group(sound(), "2", grade=-0.08), Rule.YELLOW)
    assert found(with_group(sound(), "2", turn_speed=5.0), Rule.YELLOW)


def test_a_yellow_outside_3_to_6_seconds_is_found() -> None:
    finding = the_only(with_group(sound(), "2", yellow=29, speed=0.0), Rule.YELLOW)
    assert finding.source is Source.MUTCD_YELLOW
    rings = sound_rings()
    phases = tuple(replace(p, yellow=61) if p.number == 2 else p for p in rings.phases)
    the_only(replace(rings, phases=phases).plan(), Rule.YELLOW, Severity.WARNING)


def test_a_cyclist_s_yellow_may_be_shorter() -> None:
    plan = with_group(sound(), "2", kind=GroupKind.CYCLIST, yellow=20)
    assert not found(plan, Rule.YELLOW)


def test_a_red_clearance_under_the_formula_is_found() -> None:
    finding = the_only(with_intergreen(sound(), "2", "4", 33 + 21), Rule.RED_CLEARANCE)
    assert (finding.place, finding.source) == ("2 -> 4", Source.ITE)
    assert "2.1 s is under the 2.2 s" in finding.message
    assert not found(
        with_group(with_intergreen(sound(), "2", "4", 54), "2", crossing=22.0), Rule.RED_CLEARANCE
    )


def test_zero_clearances_are_refused() -> None:
    finding = the_only(with_intergreen(sound(), "2", "4", 33), Rule.ZERO_CLEARANCE)
    assert finding.place == "2 -> 4"
    assert found(with_group(sound(), "2", yellow=0), Rule.ZERO_CLEARANCE)[0].place == "group 2"
    assert found(with_group(sound(), "P2", clearance=0), Rule.ZERO_CLEARANCE)[0].place == "group P2"


def geometric() -> SignalPlan:
    """The four-group junction with its matrix computed from paths."""
    plan = four_groups()
    pairs = [(i, j) for i in range(3) for j in range(3) if plan.intergreen[i][j] >= 0]
    paths = [rilsa_path(i, j, 20.0 + i, 8.0, STRAIGHT if i < 2 else TURNING, STRAIGHT) for i, j in pairs]
    matrix = [list(row) for row in intergreen_matrix(plan.groups, paths)]
    matrix[1][3], matrix[3][1] = 60, 150
    return replace(plan, intergreen=tuple(map(tuple, matrix)), paths=tuple(paths))


def test_an_intergreen_under_its_geometry_is_found() -> None:
    plan = geometric()
    assert not found(plan, Rule.INTERGREEN)
    short = with_intergreen(plan, "north", "east", plan.intergreen[0][1] - 1)
    finding = found(short, Rule.INTERGREEN)[0]
    assert (finding.place, finding.source) == ("north -> east", Source.RILSA)


def test_geometry_in_conflict_that_the_matrix_denies_is_found() -> None:
    plan = geometric()
    paths = (*plan.paths, rilsa_path(0, 3, 20.0, 0.0, STRAIGHT, STRAIGHT))
    assert found(replace(plan, paths=paths), Rule.INTERGREEN)[0].place == "north -> walk"


def test_what_is_not_known_is_not_passed_over_in_silence() -> None:
    finding = the_only(with_group(sound(), "4", speed=0.0), Rule.NOT_JUDGED, Severity.NOTE)
    assert finding.message.endswith(": 4")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crossing": 25.0}, "25 m need 23.4 s at 3.5 ft/s"),
        ({"walk": 40, "crossing": 20.5}, "due at 3.0 ft/s from the button"),
        ({"walk": 39, "crossing": 0.0}, "walk 3.9 s is under 4.0 s"),
        ({"clearance": 167, "crossing": 0.0}, "steady don't walk of 2.9 s"),
    ],
)
def test_a_pedestrian_time_too_short_is_found(changes: dict[str, Any], message: str) -> None:
    plan = sound()
    walk = plan.group_index("P2")
    whole = max(plan.intergreen[walk])
    assert whole == 141 + 55
    matrix = [list(row) for row in plan.intergreen]
    matrix[walk] = [value if value < 0 else 196 for value in matrix[walk]]
    plan = replace(plan, intergreen=tuple(map(tuple, matrix)))
    findings = [f for f in verify(with_group(plan, "P2", **changes)) if f.severity is Severity.ERROR]
    assert [f.place for f in findings] == ["group P2"] * len(findings)
    assert any(message in f.message for f in findings), "\n".join(map(str, findings))
    assert all(f.source is Source.MUTCD_PEDESTRIAN for f in findings)


def test_a_walk_under_7_seconds_is_a_warning() -> None:
    the_only(with_group(sound(), "P2", walk=69), Rule.WALK, Severity.WARNING)


def test_a_split_shorter_than_its_minima_is_found() -> None:
    """Phase 3 (min green 5.0 s, yellow 3.3, red 2.2) does not fit into 10.4 s; 10.5 s do."""
    for length, fits in ((105, True), (104, False)):
        splits = dict(SPLITS) | {3: length, 7: length, 4: 600 - length, 8: 600 - length}
        plan = sound_rings(pattern=Pattern(1200, 0, tuple(splits.items()))).plan()
        findings = found(plan, Rule.CYCLE, Severity.WARNING)
        assert (not findings) == fits
        assert fits or findings[0].place == "program step 3"


def test_a_cycle_shorter_than_its_minima_is_found() -> None:
    plan = sound()
    steps = tuple(ProgramStep(stage, 50 * number) for number, stage in enumerate((0, 3, 4, 7)))
    findings = found(replace(plan, program=FixedProgram(300, 0, steps)), Rule.CYCLE)
    assert "cycle 30.0 s is shorter than the 42.0 s its minima add up to; lengthen it" in [
        finding.message for finding in findings
    ]


def test_a_split_too_short_for_its_pedestrians_is_a_warning() -> None:
    splits = dict(SPLITS) | {2: 250, 6: 250, 1: 350, 5: 350}
    plan = sound_rings(pattern=Pattern(1200, 0, tuple(splits.items()))).plan()
    messages = [finding.message for finding in found(plan, Rule.CYCLE, Severity.WARNING)]
    assert messages == [
        f"{walk} starts 25.0 s before 3, its walk and clearance need 26.6 s; lengthen it"
        for walk in ("P2", "P6")
    ]


def test_a_minimum_counts_from_the_change_to_protected() -> None:
    """A turn that was permissive before keeps its whole minimum as a protected one."""
    plan = four_groups()
    for green_at, severity in ((90, None), (89, Severity.WARNING)):
        steps = (ProgramStep(0, 0), ProgramStep(2, 500 - green_at), ProgramStep(1, 500))
        findings = [
            f for f in verify(replace(plan, program=FixedProgram(900, 0, steps))) if f.rule is Rule.CYCLE
        ]
        wrong = [f for f in findings if f.message.startswith("left ")]
        assert [f.severity for f in wrong] == ([severity] if severity else [])


def test_a_program_red_over_max_red_is_found() -> None:
    finding = the_only(with_group(sound(), "3", max_red=900), Rule.MAX_RED, Severity.WARNING)
    assert "red for up to 100.0 s" in finding.message


def test_a_group_in_no_stage_is_found() -> None:
    plan = four_groups()
    orphan = SignalGroup(name="orphan", yellow=30)
    row = (-1,) * 5
    grown = replace(
        plan,
        groups=(*plan.groups, orphan),
        intergreen=(*((*old, -1) for old in plan.intergreen), row),
        yields=(*((*old, False) for old in plan.yields), (False,) * 5),
    )
    assert [f.place for f in found(grown, Rule.UNSERVED_GROUP)] == ["group orphan"]


def test_a_group_the_program_leaves_out_is_found() -> None:
    plan = four_groups()
    program = FixedProgram(900, 0, (ProgramStep(0, 0), ProgramStep(2, 600)))
    findings = found(replace(plan, program=program), Rule.UNSERVED_GROUP, Severity.WARNING)
    assert [finding.place for finding in findings] == ["group east"]
    notes = found(replace(plan, program=program), Rule.UNREACHABLE_STAGE, Severity.NOTE)
    assert "never leads to stage east" in [finding.message for finding in notes]


def test_a_stage_nothing_leads_to_is_found() -> None:
    plan = four_groups()
    for stage, severity in (
        (Stage("empty", ()), Severity.ERROR),
        (Stage("twin", (1,)), Severity.WARNING),
        (Stage("part", (0,)), Severity.NOTE),
    ):
        longer = replace(plan, stages=(*plan.stages, stage), program=None)
        findings = found(longer, Rule.UNREACHABLE_STAGE, severity)
        assert [finding.place for finding in findings] == [f"stage {stage.name}"]


def trap() -> SignalPlan:
    """The turn ends, the flow it gives way to goes on."""
    plan = four_groups()
    stages = (*plan.stages, Stage("trap", (0,)))
    return replace(plan, stages=stages, groups=tuple(replace(g, oncoming=()) for g in plan.groups))


def test_a_yellow_trap_is_found() -> None:
    finding = found(trap(), Rule.YELLOW_TRAP)[0]
    assert finding.place == "stage north -> stage trap"
    assert not found(four_groups(), Rule.YELLOW_TRAP)


def test_a_yellow_trap_that_the_engine_rules_out_is_a_note() -> None:
    plan = with_group(trap(), "left", oncoming=("north",))
    assert not found(plan, Rule.YELLOW_TRAP)
    assert found(plan, Rule.YELLOW_TRAP, Severity.NOTE)


def test_traffic_from_the_side_traps_nobody_where_geometry_names_the_oncoming() -> None:
    """A U-turn beside the right turn it merges with: its reader knows that nothing comes head-on."""
    plan = trap()
    side = replace(plan.groups[1], oncoming=("north",))
    named = replace(plan, groups=(plan.groups[0], side, *plan.groups[2:]))
    path = ConflictPath(
        ending=0, starting=1, crossing_time=30, clearing_m=10.0, vehicle_m=6.0, clearing_mps=10.0
    )
    assert found(replace(plan, paths=(path,)), Rule.YELLOW_TRAP, Severity.ERROR)
    assert found(named, Rule.YELLOW_TRAP, Severity.ERROR)
    measured = replace(named, paths=(path,))
    assert not found(measured, Rule.YELLOW_TRAP, Severity.ERROR)
    assert found(measured, Rule.YELLOW_TRAP, Severity.WARNING)


def test_a_five_section_head_on_a_lagging_left_is_noted() -> None:
    rings = sound_rings()
    phases = tuple(
        replace(p, permissive_with=(6,), yields_to=(2,)) if p.number == 1 else p for p in rings.phases
    )
    plan = replace(rings, phases=phases).plan()
    assert "stage 2+6 -> stage 2+5" in {f.place for f in found(plan, Rule.YELLOW_TRAP, Severity.NOTE)}
    plan = with_group(plan, "1", oncoming=())
    assert "stage 2+6 -> stage 2+5" in {f.place for f in found(plan, Rule.YELLOW_TRAP)}


@pytest.mark.parametrize(
    ("preempt", "source", "message"),
    [
        (replace(ENGINE, enter_yellow=32), Source.MUTCD_PREEMPT, "enters with 3.2 s of yellow"),
        (replace(ENGINE, enter_red=21), Source.MUTCD_PREEMPT, "enters with 2.1 s of red clearance"),
        (replace(RAIL, enter_yellow=1), Source.MUTCD_PREEMPT, "enters with 0.1 s of yellow"),
        (replace(RAIL, track_clear=None), Source.MUTCD_TRACK, "without a stage that clears the track"),
        (replace(RAIL, dwell=7), Source.MUTCD_TRACK, "leads traffic onto the track"),
        (replace(ENGINE, min_duration=1300), Source.NTCIP, "before its minimum 130.0 s"),
    ],
)
def test_a_preempt_that_would_cut_clearance_is_found(preempt: Preempt, source: Source, message: str) -> None:
    findings = found(replace(sound(), preempts=(preempt,)), Rule.PREEMPT)
    assert findings
    assert {(f.place, f.source) for f in findings} == {(f"preempt {preempt.name}", source)}
    assert all(message in f.message for f in findings)


def test_a_preempt_that_keeps_or_lengthens_clearance_is_not() -> None:
    entries: list[dict[str, Any]] = [{}, {"enter_yellow": 33, "enter_red": 22}, {"enter_yellow": 60}]
    for entry in entries:
        assert not found(replace(sound(), preempts=(replace(ENGINE, **entry),)), Rule.PREEMPT)


def test_a_preempt_without_an_end_is_a_warning() -> None:
    the_only(replace(sound(), preempts=(replace(ENGINE, max_presence=0),)), Rule.PREEMPT, Severity.WARNING)


def test_a_max_green_under_the_minimum_is_found() -> None:
    assert the_only(with_group(sound(), "2", max_green=49), Rule.GREEN).place == "group 2"


def test_an_asymmetric_matrix_is_found_in_the_raw_table() -> None:
    """No plan can be made of it, yet every other finding is still given."""
    table = json.loads(json.dumps(plan_to_table(with_group(sound(), "2", yellow=32))))
    row = next(row for row in table["intergreen"] if row["ending"] == "4")
    del row["starting"]["2"]
    findings = verify_table(table, "J.toml")
    one_way = [finding for finding in findings if finding.rule is Rule.ASYMMETRIC_MATRIX]
    assert [(f.place, f.severity, f.source) for f in one_way] == [("4 -> 2", Severity.ERROR, Source.NEMA)]
    assert [finding.place for finding in findings if finding.rule is Rule.YELLOW] == ["group 2"]


@pytest.mark.parametrize(
    "change", [{"junction": 7}, {"intergreen": 3}, {"intergreen": [3]}, {"intergreen": [{"ending": "2"}]}]
)
def test_a_table_that_is_no_plan_is_one_finding(change: dict[str, Any]) -> None:
    findings = verify_table({**plan_to_table(sound()), **change}, "J.toml")
    assert [(f.rule, f.place, f.severity) for f in findings] == [(Rule.FORM, "J.toml", Severity.ERROR)]


def test_a_ring_barrier_table_is_judged_too() -> None:
    from stopline_signals.ring_table import ring_barrier_to_table

    rings = sound_rings(overlaps=[Overlap(name="A", parents=(1, 2), yellow=0)])
    findings = verify_table(ring_barrier_to_table(rings))
    assert ("group A", Rule.ZERO_CLEARANCE) in {(f.place, f.rule) for f in findings}


def test_a_benchmark_plan_is_noted() -> None:
    finding = the_only(sound(benchmark_only=True), Rule.FORM, Severity.NOTE)
    assert "the controller refuses it" in finding.message


def test_findings_come_worst_first_and_say_where_they_are_from() -> None:
    plan = with_group(with_group(sound(), "2", yellow=32), "P4", walk=60)
    findings = verify(plan)
    assert [f.severity for f in findings] == sorted((f.severity for f in findings), reverse=True)
    assert str(findings[0]).startswith("error: group 2: yellow 3.2 s")
    assert "[ITE RP-040B" in str(findings[0])


@given(plan=random_plans())
def test_any_plan_can_be_judged(plan: SignalPlan) -> None:
    findings = verify(plan)
    assert findings == verify_table(plan_to_table(plan))
    assert all(finding.message and finding.source for finding in findings)
