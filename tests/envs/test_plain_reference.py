"""The environment, which skips whatever cannot have changed, against a plain one that skips nothing.

The plain one wakes every engine every second, sets every lamp every second, counts vehicles one by one and
encodes junction by junction.
"""

from __future__ import annotations

import random

import libsumo
import numpy as np
import pytest
from numpy.typing import NDArray

from stopline_envs.junction import lamp_letters
from stopline_envs.network import plans_of
from stopline_envs.plans import PlanSet
from stopline_envs.scenario import Scenario
from stopline_envs.simulation import SumoSimulation
from stopline_envs.slots import SlotRun, SlotSettings
from stopline_signals.detectors import QUEUED_BELOW_MPS, DetectorReading, calls_from
from stopline_signals.engine import KEEP, Engine
from stopline_signals.guard import Guard
from stopline_signals.observation import Encoder
from stopline_signals.plan import DetectorKind
from tests.envs.maps import scenario_or_skip

SEED = 5
DECISION = 5
UNKNOWN = 99
Observation = NDArray[np.float32]


class PlainJunction:
    """One signal, as one would write it first."""

    def __init__(self, plan_set: PlanSet, name: str) -> None:
        plan = plan_set.plans[name]
        self.name, self.plan = name, plan.rounded_up(10)
        self.zones = [plan_set.zones[name, detector.name] for detector in plan.detectors]
        self.engine = Engine(self.plan)
        self.guard = Guard(self.engine)
        self.encoder = Encoder(self.engine)
        self.letters = lamp_letters(plan, plan_set.programs[name])
        self.links = len(plan_set.programs[name].phases[0].state)
        self.request, self.calls = KEEP, 0

    def start(self, now: int) -> None:
        program, tenths = self.plan.program, now * 10
        stage = 0 if program is None else program.steps[program.step_at(tenths)].stage
        self.state = self.engine.start(tenths, stage)

    def tick(self, now: int) -> None:
        self.state = self.engine.advance(self.state, self.request, self.calls, now * 10).state
        self.request = KEEP
        shown = ["r"] * self.links
        for group, aspect, letters in zip(self.plan.groups, self.state.aspects, self.letters, strict=True):
            for link in group.links:
                shown[link] = letters[aspect]
        libsumo.trafficlight.setRedYellowGreenState(self.name, "".join(shown))

    def look(self, now: int, places: list[tuple[str, float, float]]) -> Observation:
        readings = tuple(
            DetectorReading(len(inside), sum(speed < QUEUED_BELOW_MPS for speed in inside))
            for zone in self.zones
            for inside in [
                [
                    speed
                    for lane, position, speed in places
                    if any(p.lane == lane and p.start < position <= p.end for p in zone)
                ]
            ]
        )
        self.state = self.engine.advance(self.state, KEEP, self.calls, now * 10).state
        self.calls = calls_from(self.plan, readings)
        self.state = self.engine.advance(self.state, KEEP, self.calls, now * 10).state
        self.allowed = self.guard.allowed(self.state)
        return self.encoder.encode(self.state, readings, self.allowed)


def plain_run(scenario: Scenario, chosen: list[list[int]]) -> list[Observation]:
    """Observations of every decision, all junctions stacked."""
    plan_set = plans_of(scenario)
    junctions = [PlainJunction(plan_set, name) for name in plan_set.plans]
    simulation = SumoSimulation(scenario, SEED)
    simulation.start()
    try:
        for junction in junctions:
            junction.start(simulation.now)
        observations = [observe(junctions, simulation.now)]
        for stages in chosen:
            for junction, stage in zip(junctions, stages, strict=True):
                own = stage if stage < len(junction.plan.stages) else UNKNOWN
                junction.request = junction.guard.decide(junction.state, own).stage
            for _ in range(DECISION):
                for junction in junctions:
                    junction.tick(simulation.now)
                simulation.step()
            observations.append(observe(junctions, simulation.now))
    finally:
        simulation.close()
    return observations


def observe(junctions: list[PlainJunction], now: int) -> Observation:
    vehicle = libsumo.vehicle
    places = [
        (vehicle.getLaneID(name), vehicle.getLanePosition(name), vehicle.getSpeed(name))
        for name in vehicle.getIDList()
    ]
    return np.stack([junction.look(now, places) for junction in junctions])


@pytest.mark.parametrize(("name", "seconds"), [("cologne3", 300), ("cologne8", 150), ("ingolstadt7", 150)])
def test_observations_are_those_of_a_plain_environment(name: str, seconds: int) -> None:
    scenario = scenario_or_skip(name, seconds)
    kinds = {detector.kind for plan in plans_of(scenario).plans.values() for detector in plan.detectors}
    assert DetectorKind.BUTTON not in kinds, "the plain environment has no push buttons"
    run = SlotRun(scenario, SlotSettings(decision_interval=DECISION))
    rng = random.Random(SEED)
    chosen: list[list[int]] = []
    observations, masks = run.reset(SEED)
    seen = [observations]
    try:
        while not run.done:
            # Now and then a stage that may not be chosen: the guard has to answer as well.
            chosen.append([rng.randrange(17) if rng.random() < 0.1 else choice(rng, mask) for mask in masks])
            run.step(chosen[-1])
            observations, masks = run.observe()
            seen.append(observations)
    finally:
        run.close()
    for number, (mine, plain) in enumerate(zip(seen, plain_run(scenario, chosen), strict=True)):
        assert np.array_equal(mine, plain), f"decision {number}"


def choice(rng: random.Random, mask: NDArray[np.bool_]) -> int:
    return int(rng.choice(np.flatnonzero(mask)))
