"""What emergency vehicles do to a junction stays what it was: published figures were made with it.

A change here is a change of behaviour; the tables in `docs/priority.md` then have to be made again.
"""

from __future__ import annotations

import hashlib
import random

import pytest

from stopline_signals import KEEP
from stopline_signals.detectors import DetectorReading
from stopline_signals.priority import VehicleClass
from tests.signals.plans_for_tests import eight_phases, four_groups
from tests.signals.priority_course import Course

EMERGENCIES = (VehicleClass.FIRE, VehicleClass.AMBULANCE, VehicleClass.POLICE)
RECORDED = {"four groups": "87f81d957064ed60", "eight phases": "8178aaf52df1e47e"}


def course(name: str, seconds: int = 900) -> str:
    """A digest of every wish, closed stage and lamp of a quarter of an hour."""
    rng = random.Random(name)
    one = Course({"four groups": four_groups, "eight phases": eight_phases}[name]())
    groups, stages = one.vehicles(), len(one.plan.stages)
    coming: dict[str, tuple[str, VehicleClass, float]] = {}
    seen = hashlib.sha256()
    for second in range(seconds):
        if rng.random() < 0.03:
            arrives = second + rng.uniform(5, 60)
            coming[f"v{second}"] = (rng.choice(groups), rng.choice(EMERGENCIES), arrives)
        if second % 5 == 0:
            one.policy = rng.choice([KEEP, *range(stages)])
            one.calls = rng.getrandbits(len(one.plan.groups))
            one.readings = [DetectorReading(n, n) for n in (rng.randrange(5) for _ in one.readings)]
        for vehicle, (group, kind, arrives) in list(coming.items()):
            if rng.random() < 0.03:
                del coming[vehicle]  # It falls silent.
            elif second > arrives + 3:
                del coming[vehicle]
                one.gone(vehicle, kind)
            else:
                speed = rng.choice([0.0, 8.0, 14.0])
                one.report(vehicle, group, max(arrives - second, 0.1), kind, speed_mps=speed)
        for _ in range(10):
            one.tick()
            asked = [(str(w.urgency), w.stage, w.vehicle) for w in one.wishes]
            closed = one.requests.closed(one.plan.junction, one.here, one.clock)
            seen.update(repr((asked, closed, one.state.stage, one.state.aspects)).encode())
    assert one.checker.problems == []
    return seen.hexdigest()[:16]


@pytest.mark.parametrize("name", RECORDED)
def test_an_emergency_only_course_is_what_it_was(name: str) -> None:
    assert course(name) == RECORDED[name]
