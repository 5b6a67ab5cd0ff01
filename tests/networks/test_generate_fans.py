"""Generated streets that fan out into more lanes shortly before the stop line."""

from __future__ import annotations

from pathlib import Path

import pytest

from stopline_envs.generate import generate_network
from stopline_envs.network import plans_of
from stopline_envs.scenario import Scenario
from stopline_signals import DetectorKind
from tests.networks.random_stages import violations


def make(folder: Path, *, fans: bool, kind: str = "grid", crossings: bool = False) -> Scenario:
    return generate_network(
        3, folder, kind=kind, signals=4, fullness=0.5, duration=300, crossings=crossings, fans=fans
    )


def fan_outs(scenario: Scenario) -> int:
    """Groups on two lanes or more at the line that are fed by half as many within the detectors' reach."""
    found = 0
    plan_set = plans_of(scenario)
    for plan in plan_set.plans.values():
        for detector in plan.detectors:
            if detector.kind is DetectorKind.FAR_ZONE:
                far = {s.lane for s in plan_set.zones[plan.junction, detector.name] if s.lane[0] != ":"}
                near = {
                    s.lane
                    for s in plan_set.zones[
                        plan.junction, detector.name.replace("far_zone", DetectorKind.NEAR_ZONE.value)
                    ]
                    if s.lane[0] != ":" and s.to_stop_line == 0.0
                }
                found += bool(far) and len(near) >= 2 * len(far)
    return found


def test_streets_fan_out_where_that_is_asked_for(tmp_path: Path) -> None:
    assert fan_outs(make(tmp_path / "without", fans=False)) == 0
    assert fan_outs(make(tmp_path / "with", fans=True)) >= 3


def test_without_it_the_same_bytes_come_of_a_seed_as_ever(tmp_path: Path) -> None:
    once, again = make(tmp_path / "a", fans=False), make(tmp_path / "b", fans=False)
    assert once.net.read_bytes() == again.net.read_bytes() != make(tmp_path / "c", fans=True).net.read_bytes()


@pytest.mark.parametrize(("kind", "crossings"), [("town", True), ("arterial", False)])
def test_such_signals_run_without_a_violation(tmp_path: Path, kind: str, crossings: bool) -> None:
    assert violations(make(tmp_path, fans=True, kind=kind, crossings=crossings)) == 0
