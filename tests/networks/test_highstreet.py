"""The high street has everybody a signal serves, and serves them all under random legal stages."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import libsumo
import pytest

from stopline_envs.network import NetworkRun
from stopline_envs.scenario import load_scenario
from stopline_signals.findings import Severity
from stopline_signals.plan import Aspect, DetectorKind, GroupKind
from stopline_signals.verify import verify
from tests.envs.maps import bits


@pytest.fixture(scope="module")
def run() -> Iterator[NetworkRun]:
    run = NetworkRun(load_scenario("highstreet"), trips=True)
    yield run
    run.close()


def test_its_plans_have_cyclists_and_crossings_and_nothing_to_put_right(run: NetworkRun) -> None:
    assert run.plan_set.findings == ()
    for plan in run.plan_set.plans.values():
        kinds = Counter(group.kind for group in plan.groups)
        assert kinds[GroupKind.PEDESTRIAN] == 4
        assert kinds[GroupKind.CYCLIST] >= 4
        assert not [finding for finding in verify(plan) if finding.severity >= Severity.WARNING]


def test_everybody_comes_and_is_served_under_random_legal_stages(run: NetworkRun) -> None:
    views = run.reset(1)
    rng = random.Random(1)
    classes: dict[str, str] = {}
    at_stop: set[str] = set()
    pressed = walks = rode = 0
    while not run.done:
        run.advance([rng.choice(bits(view.allowed)) for view in views], 5)
        views = run.views()
        for name in libsumo.vehicle.getIDList():
            classes[name] = classes.get(name) or libsumo.vehicle.getVehicleClass(name)
            if libsumo.vehicle.isStopped(name):
                at_stop.add(name)
        for view in views:
            for detector, reading in zip(view.plan.detectors, view.readings, strict=True):
                pressed += detector.kind is DetectorKind.BUTTON and reading.vehicles
            for group, aspect in zip(view.plan.groups, view.state.aspects, strict=True):
                walks += group.kind is GroupKind.PEDESTRIAN and aspect == Aspect.GREEN
                rode += group.kind is GroupKind.CYCLIST and aspect >= Aspect.PERMISSIVE
    metrics = run.metrics()
    counted = Counter(classes.values())
    assert {"passenger", "delivery", "truck", "bus", "bicycle"} <= set(counted)
    assert counted["bicycle"] > 30
    buses = {name for name, kind in classes.items() if kind == "bus"}
    assert len(buses) >= 5
    assert len(at_stop & buses) >= len(buses) - 1  # the last may not be there yet
    assert pressed > 10 and walks > 10 and rode > 10
    assert metrics.walkers > 50
    assert metrics.finished > 0.6 * metrics.vehicles
    assert run.violations == 0


def test_its_emergency_route_leads_over_both_signals() -> None:
    scenario = load_scenario("highstreet")
    assert scenario.emergency is not None
    assert scenario.emergency.file.is_file()
    assert scenario.emergency.edges == ("W_J1", "J1_J2", "J2_N2")


def test_sumo_has_nothing_to_complain_about(run_sumo: Callable[..., Any]) -> None:
    outcome = run_sumo(load_scenario("highstreet"))
    assert outcome.warnings == []
    assert outcome.walks > 60
