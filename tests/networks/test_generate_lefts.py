"""Generated signals whose lefts have a green of their own though they share a lane."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from stopline_envs.generate import generate_network
from stopline_envs.generate.lefts import add_left_greens
from stopline_envs.network import plans_of
from stopline_envs.scenario import Scenario
from stopline_signals import DetectorKind, SignalPlan
from tests.networks.random_stages import violations


def lanes_of(scenario: Scenario, plan: SignalPlan) -> dict[int, set[str]]:
    """The lanes near the stop line that each vehicle group is seen on."""
    zones, found = plans_of(scenario).zones, dict[int, set[str]]()
    for detector in plan.detectors:
        if detector.kind is DetectorKind.NEAR_ZONE:
            lanes = {segment.lane for segment in zones[plan.junction, detector.name]}
            found.setdefault(detector.group, set()).update(lanes)
    return found


def blocked_stages(scenario: Scenario) -> int:
    """Signals with a stage in which every vehicle may be held by one that does not turn."""
    found = 0
    for plan in plans_of(scenario).plans.values():
        lanes = lanes_of(scenario, plan)
        for stage in plan.stages:
            green = {group for group in (*stage.protected, *stage.permissive) if group in lanes}
            held = set[str]().union(*(lanes[group] for group in lanes.keys() - green))
            if green and all(lanes[group] <= held for group in green):
                found += 1
                break
    return found


def make(folder: Path, *, lefts: bool, crossings: bool = False, plans: str = "stages") -> Scenario:
    return generate_network(
        3,
        folder,
        kind="grid",
        signals=4,
        fullness=0.5,
        duration=300,
        crossings=crossings,
        shared_lefts=lefts,
        plans=plans,
    )


def test_lefts_that_share_a_lane_get_a_green_of_their_own(tmp_path: Path) -> None:
    assert blocked_stages(make(tmp_path / "without", lefts=False)) == 0
    assert blocked_stages(make(tmp_path / "with", lefts=True)) == 3


@pytest.mark.parametrize("crossings", [False, True])
def test_such_signals_run_without_a_violation_whatever_is_asked(tmp_path: Path, crossings: bool) -> None:
    assert violations(make(tmp_path, lefts=True, crossings=crossings)) == 0


def test_the_traffic_is_that_of_the_same_seed_without_them(tmp_path: Path) -> None:
    make(tmp_path / "without", lefts=False)
    make(tmp_path / "with", lefts=True)
    routes = [(tmp_path / name / "routes.rou.xml").read_bytes() for name in ("with", "without")]
    assert routes[0] == routes[1]


def test_every_phase_before_a_left_green_ends_the_others_by_yellow(tmp_path: Path) -> None:
    net = make(tmp_path, lefts=True).net
    for logic in ET.parse(net).getroot().iter("tlLogic"):
        states = [phase.attrib["state"] for phase in logic]
        for before, after in zip(states, [*states[1:], states[0]], strict=True):
            for old, new in zip(before, after, strict=True):
                assert old not in "Gg" or new in "Ggy", f"{before} then {after}"


def test_a_ring_keeps_its_program(tmp_path: Path) -> None:
    net = make(tmp_path, lefts=False, plans="nema").net
    before = net.read_bytes()
    rings = [
        logic.get("id") for logic in ET.parse(net).getroot().iter("tlLogic") if logic.get("type") == "NEMA"
    ]
    add_left_greens(net)
    after = {logic.get("id"): ET.tostring(logic) for logic in ET.parse(net).getroot().iter("tlLogic")}
    was = {logic.get("id"): ET.tostring(logic) for logic in ET.fromstring(before).iter("tlLogic")}
    assert rings
    assert all(after[name].split() == was[name].split() for name in rings)
