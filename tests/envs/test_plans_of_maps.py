"""The plan reader on every map at hand: RESCO's, the SUMO wheel's, our own."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import pytest

from stopline_envs.network import watch_of
from stopline_envs.plans import FindingKind, PlanSet, read_plans
from stopline_signals.engine import Engine
from stopline_signals.errors import NetworkError
from stopline_signals.plan import NO_CONFLICT, Aspect, DetectorKind, GroupKind
from stopline_signals.timing import pedestrian_clearance, yellow_time
from stopline_signals.verify import Rule, Severity, verify
from tests.envs.maps import OWN, RESCO, WHEEL, scenario_or_skip

MAPS = (*RESCO, *WHEEL, *OWN)
SIGNALS = {"cologne8": 8, "ingolstadt7": 7, "ingolstadt21": 21, "grid4x4": 16, "arterial4x4": 16, "fkk_in": 2}


@cache
def plans(name: str) -> PlanSet:
    scenario = scenario_or_skip(name)
    return read_plans(scenario.net, scenario.additional)


@pytest.mark.parametrize("name", MAPS)
def test_every_signal_gets_a_plan_that_serves_all_its_groups(name: str) -> None:
    plan_set = plans(name)
    assert len(plan_set.plans) == SIGNALS.get(name, len(plan_set.plans))
    for plan in plan_set.plans.values():
        assert all(plan.stages_serving(group) for group in range(len(plan.groups)))
        assert len({stage.groups + stage.permissive for stage in plan.stages}) == len(plan.stages)
        Engine(plan.rounded_up(10))


@pytest.mark.parametrize("name", MAPS)
def test_each_link_of_the_state_belongs_to_one_group_or_is_never_green(name: str) -> None:
    plan_set = plans(name)
    for signal, plan in plan_set.plans.items():
        links = [link for group in plan.groups for link in group.links]
        assert len(links) == len(set(links))
        greens = {
            link
            for movement in plan_set.movements[signal].movements
            for link in [movement.link]
            if any(phase.state[link] in "gGsoO" for phase in plan_set.programs[signal].phases)
        }
        assert set(links) == greens


@pytest.mark.parametrize("name", MAPS)
def test_yellow_and_pedestrian_clearance_follow_the_book(name: str) -> None:
    plan_set = plans(name)
    lanes = plan_set.network.lanes
    for signal, plan in plan_set.plans.items():
        movements = plan_set.movements[signal].movements
        for group in plan.groups:
            own = [m for m in movements if m.link in group.links]
            if group.kind is GroupKind.PEDESTRIAN:
                length = max(lanes[m.connection.target].length for m in own)
                assert abs(group.clearance - pedestrian_clearance(length)) <= 5
                assert group.walk >= 40
            elif group.kind is GroupKind.VEHICLE:
                speed = max(
                    lanes[m.connection.source].speed for m in own if m.kind is not GroupKind.PEDESTRIAN
                )
                assert group.yellow >= yellow_time(speed)
            for value in plan.intergreen[plan.group_index(group.name)]:
                least = 30 if group.kind is GroupKind.PEDESTRIAN else 10
                assert value == NO_CONFLICT or value >= group.change + least


@pytest.mark.parametrize("name", MAPS)
def test_intergreens_agree_with_the_monitors_own_reading(name: str) -> None:
    """Two computations that share no formula: the plan's is never under the monitor's lower bound."""
    plan_set = plans(name)
    compared = 0
    for signal, plan in plan_set.plans.items():
        watch = watch_of(plan_set, signal)
        channel = {link: number for number, links in enumerate(watch.channels) for link in links}
        for i, first in enumerate(plan.groups):
            for j, second in enumerate(plan.groups):
                bounds = [
                    watch.monitor.card.clearance[pair]
                    for pair in {(channel[a], channel[b]) for a in first.links for b in second.links}
                    if pair in watch.monitor.card.clearance
                ]
                if bounds:
                    compared += 1
                    assert plan.intergreen[i][j] >= max(bounds), (signal, first.name, second.name)
    assert compared or all(len(plan.stages) == 1 for plan in plan_set.plans.values())


@pytest.mark.parametrize("name", MAPS)
def test_no_turn_is_trapped_by_oncoming_traffic(name: str) -> None:
    """Whatever comes head-on is named, so the engine ends it with the turn; the rest comes from the side."""
    for signal, plan in plans(name).plans.items():
        traps = [f for f in verify(plan) if f.rule is Rule.YELLOW_TRAP and f.severity is Severity.ERROR]
        assert not traps, (signal, traps)


def test_an_unsafe_phase_is_split_with_a_finding() -> None:
    """ingolstadt7's gneJ210 lets two left-turn lanes cross each other with G."""
    plan_set = plans("ingolstadt7")
    (finding,) = [f for f in plan_set.findings if f.kind is FindingKind.UNSAFE_PHASE]
    assert (finding.signal, finding.phase) == ("gneJ210", 4)
    assert "rrrrGGGGGGGGrr" in finding.message
    plan = plan_set.plans["gneJ210"]
    inner, outer = plan.group_index("32021112#0.l"), plan.group_index("32021112#0.l.2")
    together = [stage for stage in plan.stages if {inner, outer} <= set(stage.groups)]
    assert all(Aspect.GREEN is not stage.aspect(inner) for stage in together)
    assert plan.yields[inner][outer]


def test_strict_refuses_the_unsafe_phase() -> None:
    scenario = scenario_or_skip("ingolstadt7")
    with pytest.raises(NetworkError, match=r"gneJ210.*phase 4.*conflict"):
        read_plans(scenario.net, scenario.additional, strict=True)


def test_a_permissive_head_that_does_not_give_way_is_dropped_not_the_protected_one() -> None:
    plan = plans("grid4x4").plans["A1"]
    left, right = plan.group_index("A0A1.l"), plan.group_index("A2A1.r")
    serving = [stage for stage in plan.stages if stage.aspect(left) is Aspect.GREEN]
    assert serving
    assert all(stage.aspect(right) is Aspect.RED for stage in serving)


def test_programs_of_additional_files_win() -> None:
    scenario = scenario_or_skip("rilsa1")
    own = read_plans(scenario.net)
    assert scenario.additional
    other = read_plans(scenario.net, scenario.additional)
    (name,) = own.plans
    assert own.programs[name].program == "0"
    assert other.programs[name].program != "0"
    assert own.plans[name].digest() != other.plans[name].digest()


def test_the_fixed_program_keeps_cycle_offset_and_green_starts() -> None:
    plan = plans("cologne1").plans
    (name,) = plan
    program = plans("cologne1").programs[name]
    fixed = plan[name].program
    assert fixed is not None
    assert fixed.cycle == 900
    begins, at = [], 0.0
    for phase in program.phases:
        if "y" not in phase.state:
            begins.append(round(at * 10))
        at += phase.duration
    assert [step.green_at for step in fixed.steps] == begins


def test_zones_reach_upstream_of_lanes_that_are_too_short_to_see_a_queue() -> None:
    """ingolstadt21 has controlled lanes of 0.2 m; their zones must not end there."""
    plan_set = plans("ingolstadt21")
    short = 0
    for signal, plan in plan_set.plans.items():
        for detector in plan.detectors:
            zone = plan_set.zones[signal, detector.name]
            at_line = [piece for piece in zone if piece.to_stop_line == 0.0]
            if detector.kind is DetectorKind.NEAR_ZONE and all(p.end - p.start < 5.0 for p in at_line):
                short += 1
                assert sum(piece.end - piece.start for piece in zone) > 20.0, detector.name
    assert short >= 5


@pytest.mark.parametrize("name", ["cologne8", "ingolstadt21", "arterial"])
def test_zones_stop_at_other_signals(name: str) -> None:
    plan_set = plans(name)
    controlled = {c.source for c in plan_set.network.connections if c.tls}
    for (signal, _), zone in plan_set.zones.items():
        own = {m.connection.source for m in plan_set.movements[signal].movements}
        assert all(piece.lane not in controlled - own for piece in zone)


def test_zone_pieces_lie_on_their_lanes_and_within_their_range() -> None:
    plan_set = plans("ingolstadt7")
    for signal, plan in plan_set.plans.items():
        for detector in plan.detectors:
            for piece in plan_set.zones[signal, detector.name]:
                length = plan_set.network.lanes[piece.lane].length
                assert 0.0 <= piece.start < piece.end <= length + 0.01
                assert piece.to_stop_line + length - piece.end >= detector.start_m - 0.02
                assert piece.to_stop_line + length - piece.start <= detector.end_m + 0.02


def test_crossings_get_buttons_on_both_sides() -> None:
    plan_set = plans("single")
    (signal,) = plan_set.plans
    plan = plan_set.plans[signal]
    walkers = [i for i, group in enumerate(plan.groups) if group.kind is GroupKind.PEDESTRIAN]
    buttons = [d for d in plan.detectors if d.kind is DetectorKind.BUTTON]
    assert [d.group for d in buttons] == walkers
    assert walkers
    for button in buttons:
        zone = plan_set.zones[signal, button.name]
        assert len({piece.lane for piece in zone}) == 2
        assert plan_set.network.edges[zone[0].crossing][0] == "crossing"


def test_a_large_net_is_read_quickly() -> None:
    scenario = scenario_or_skip("cologne8")
    began = time.process_time()
    read_plans(scenario.net)
    assert time.process_time() - began < 1.0


def test_a_program_with_one_green_phase_gives_one_stage(game: Path) -> None:
    (plan,) = read_plans(game / "ramp" / "ramp.net.xml").plans.values()
    assert len(plan.stages) == 1
