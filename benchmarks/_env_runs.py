"""Timed episodes: `python -m benchmarks._env_runs MAP SECONDS DECISION ROUNDS KIND...`.

First our environment is run under random legal stages, and the stages, every lamp state shown and all
readings are written down. Every kind then repeats exactly those lamp states, in turn, round after round;
printed are the CPU seconds of each as JSON, without loading the network: of this process, SUMO's own and
worker processes included. Whatever is random is drawn before the clock starts, and a kind whose traffic was
not the recorded one ends the program.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stopline_envs.episodes import episode_seed
from stopline_envs.network import plans_of
from stopline_envs.scenario import Scenario, load_scenario
from stopline_envs.simulation import SumoSimulation, libsumo_module
from stopline_envs.slots import SlotRun, SlotSettings
from stopline_signals.detectors import QUEUED_BELOW_MPS
from stopline_signals.plan import DetectorKind

SEED = episode_seed(1, 0, 0)
"""SUMO's seed in every kind: that of the first episode of the first worker of a SlotVecEnv seeded with 1."""
Row = list[tuple[int, int]]
Read = Callable[[], None]


@dataclass
class Record:
    """What the recorded episode did: stages and readings per decision, lamp changes per second."""

    decision: int
    stages: list[list[int]] = field(default_factory=list[list[int]])
    shown: dict[int, list[tuple[str, str]]] = field(default_factory=dict[int, list[tuple[str, str]]])
    readings: list[Row] = field(default_factory=list[Row])
    driving: int = 0
    last: bytes = b""

    def check(self, scenario: Scenario, *, driving: int | None = None, last: Any = None) -> None:
        """Leave unless the replay ended as the recording did."""
        if driving not in (None, self.driving) or (last is not None and last.tobytes() != self.last):
            raise SystemExit(f"{scenario.name}: the replay's traffic is not the recorded one")


def settings(decision: int) -> SlotSettings:
    """What every kind of ours runs with: the defaults."""
    return SlotSettings(decision_interval=decision)


def record(scenario: Scenario, decision: int) -> Record:
    """Random legal stages, written down."""
    kept = Record(decision)
    show = SumoSimulation.set_lamps

    def note(self: SumoSimulation, tls: str, state: str) -> None:
        kept.shown.setdefault(self.now, []).append((tls, state))
        show(self, tls, state)

    SumoSimulation.set_lamps = note  # type: ignore[method-assign]  # only to listen in, and only here
    run = SlotRun(scenario, settings(decision))
    rng = random.Random(SEED)
    observations, masks = run.reset(SEED)
    while not run.done:
        stages = [int(rng.choice(np.flatnonzero(mask))) for mask in masks]
        run.step(stages)
        observations, masks = run.observe()
        seen = run.run.seen
        kept.stages.append(stages)
        kept.readings.append(list(zip(seen.vehicles.tolist(), seen.queued.tolist(), strict=True)))
    kept.driving, kept.last = libsumo_module().vehicle.getIDCount(), observations.tobytes()
    run.close()
    SumoSimulation.set_lamps = show  # type: ignore[method-assign]  # as it was
    return kept


def core(scenario: Scenario, kept: Record) -> float:
    """Our environment in this process: rewards, observations and masks of all signals."""
    run = SlotRun(scenario, settings(kept.decision))
    observations, _ = run.reset(SEED)
    start = time.process_time()
    for stages in kept.stages:
        run.step(stages)
        observations, _ = run.observe()
    spent = time.process_time() - start
    kept.check(scenario, driving=libsumo_module().vehicle.getIDCount(), last=observations)
    run.close()
    return spent


def pettingzoo(scenario: Scenario, kept: Record) -> float:
    """The same through the PettingZoo face."""
    from stopline_envs.parallel_env import network_env

    env: Any = network_env(scenario, settings=settings(kept.decision))
    env._seeds = _Always(SEED)
    observations, _ = env.reset()
    choices = [dict(zip(env.agents, stages, strict=True)) for stages in kept.stages]
    start = time.process_time()
    for actions in choices:
        observations, *_ = env.step(actions)
    spent = time.process_time() - start
    kept.check(scenario, last=np.stack(list(observations.values())))
    env.close()
    return spent


def slots(scenario: Scenario, kept: Record) -> float:
    """The same as a SlotVecEnv of one worker: both processes' time, and the pipe between them."""
    from stopline_envs.vec_env import SlotVecEnv

    env: Any = SlotVecEnv(scenario, slots=len(kept.stages[0]), settings=settings(kept.decision))
    env.seed(1)
    env.reset()
    start, waited = time.process_time(), _children()
    for stages in kept.stages[:-1]:  # the last would load the next episode
        env.step(np.asarray(stages))
    spent = time.process_time() - start + _children() - waited
    env.close()
    return spent * len(kept.stages) / (len(kept.stages) - 1)


def bare(scenario: Scenario, kept: Record) -> float:
    """SUMO showing those lamps, nothing read."""
    return _replay(scenario, kept, None)


def sensors(scenario: Scenario, kept: Record) -> float:
    """SUMO showing those lamps and the same zones read at every decision, as one would write it by hand."""
    seen: list[Row] = []
    spent = _replay(scenario, kept, _by_hand(scenario, seen))
    buttons = _buttons(scenario)
    for mine, theirs in zip(seen, kept.readings, strict=True):
        if any(a != b and not button for a, b, button in zip(mine, theirs, buttons, strict=True)):
            raise SystemExit(f"{scenario.name}: the replay's readings are not the environment's")
    return spent


def own_look(scenario: Scenario, kept: Record) -> float:
    """The same, read by the environment's own code."""
    from stopline_envs.sensing import Sensors

    plan_set = plans_of(scenario)
    read = Sensors(plan_set, tuple(plan_set.plans), libsumo_module())

    def look() -> None:
        assert read.look().traffic

    return _replay(scenario, kept, look)


def _replay(scenario: Scenario, kept: Record, read: Read | None) -> float:
    libsumo = libsumo_module()
    simulation = SumoSimulation(scenario, SEED)
    simulation.start()
    start = time.process_time()
    for now in range(scenario.begin, scenario.end):
        for tls, state in kept.shown.get(now, ()):
            libsumo.trafficlight.setRedYellowGreenState(tls, state)
        libsumo.simulationStep()
        if read is not None and (now + 1 - scenario.begin) % kept.decision == 0:
            read()
    spent = time.process_time() - start
    kept.check(scenario, driving=libsumo.vehicle.getIDCount())
    simulation.close()
    return spent


def _by_hand(scenario: Scenario, seen: list[Row]) -> Read:
    """Reads all zones lane by lane: three calls of libsumo's public interface per vehicle and lane."""
    libsumo = libsumo_module()
    plan_set = plans_of(scenario)
    lanes: dict[str, list[tuple[float, float, int]]] = {}
    slot = 0
    for name, plan in plan_set.plans.items():
        for detector in plan.detectors:
            for piece in plan_set.zones[name, detector.name]:
                if not piece.crossing:
                    lanes.setdefault(piece.lane, []).append((piece.start, piece.end, slot))
            slot += 1

    def read() -> None:
        vehicles, queued = [0] * slot, [0] * slot
        for lane, pieces in lanes.items():
            for name in libsumo.lane.getLastStepVehicleIDs(lane):
                position = libsumo.vehicle.getLanePosition(name)
                slow = libsumo.vehicle.getSpeed(name) < QUEUED_BELOW_MPS
                for start, end, place in pieces:
                    if start < position <= end:
                        vehicles[place] += 1
                        queued[place] += slow
        seen.append(list(zip(vehicles, queued, strict=True)))

    return read


def _buttons(scenario: Scenario) -> list[bool]:
    plans = plans_of(scenario).plans.values()
    return [detector.kind is DetectorKind.BUTTON for plan in plans for detector in plan.detectors]


def sumo_rl_libsumo(scenario: Scenario, kept: Record) -> float:
    """The peer with its defaults and libsumo."""
    return sumo_rl_traci(scenario, kept)


def sumo_rl_traci(scenario: Scenario, kept: Record) -> float:
    """The peer with its defaults, SUMO in a process of its own; its lamps are the recorded ones too."""
    from benchmarks._env_peer import replaying_environment

    environment, driving, close = replaying_environment(scenario, kept.shown, SEED, kept.decision)
    rng = random.Random(SEED)
    sizes = {name: int(environment.action_spaces(name).n) for name in environment.ts_ids}
    choices = [{name: rng.randrange(size) for name, size in sizes.items()} for _ in kept.stages]
    start = time.process_time() + _children()
    for chosen in choices:
        environment.step(chosen)
    spent = time.process_time() + _children() - start
    kept.check(scenario, driving=driving())
    close()
    return spent


class _Always:
    """A random generator that is not."""

    def __init__(self, value: int) -> None:
        self._value = value

    def integers(self, _: int) -> int:
        return self._value


def _children() -> float:
    """CPU seconds of this process's living children."""
    spent = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[1]) == os.getpid():
            spent += int(fields[11]) + int(fields[12])
    return spent / os.sysconf("SC_CLK_TCK")


KINDS: dict[str, Callable[[Scenario, Record], float]] = {
    function.__name__: function
    for function in (core, pettingzoo, slots, bare, sensors, own_look, sumo_rl_libsumo, sumo_rl_traci)
}


def main() -> None:
    """Record, then run every kind in every round."""
    name, seconds, decision, rounds, *kinds = sys.argv[1:]
    if "sumo_rl_libsumo" in kinds:
        # The peer's switch; it only works where traci is imported before libsumo.
        os.environ["LIBSUMO_AS_TRACI"] = "1"
        importlib.import_module("traci")
    scenario = load_scenario(name)
    scenario = scenario.between(end=scenario.begin + int(seconds))
    kept = record(scenario, int(decision))
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(int(rounds)):
        for kind in kinds:
            times[kind].append(KINDS[kind](scenario, kept))
        print({kind: round(spent[-1], 3) for kind, spent in times.items()}, file=sys.stderr, flush=True)
    print(json.dumps(times))


if __name__ == "__main__":
    main()
