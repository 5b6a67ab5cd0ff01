"""Imperfect sensors: exactly the asked share fails, the rest is untouched, all repeats from its seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import libsumo
import numpy as np
import pytest

from stopline_envs.faults import STICKS_WITHIN_S, FaultySensors, SensorFaults
from stopline_envs.gym_env import JunctionEnv
from stopline_envs.network import NetworkRun
from stopline_envs.sensing import Sensors
from stopline_envs.slots import SlotSettings
from stopline_signals.detectors import DetectorReading, calls_from
from stopline_signals.errors import ScenarioError
from stopline_signals.plan import DetectorKind
from tests.envs.maps import scenario_or_skip

Register = Callable[[NetworkRun], NetworkRun]
Looks = list[list[DetectorReading]]


def looks(running: Register, faults: SensorFaults | None, *, seed: int = 3) -> tuple[NetworkRun, Looks]:
    """Readings of all detectors in a row, every 5 s, under the network's fixed program."""
    run = running(NetworkRun(scenario_or_skip("arterial", 400), faults=faults))
    views = run.reset(seed)
    seen: Looks = []
    while not run.done:
        run.advance(run.program_stages(), 5)
        views = run.views()
        seen.append(in_a_row([view.readings for view in views]))
    run.close()
    return run, seen


def side_by_side(
    running: Register, faults: SensorFaults, *, every: int = 5
) -> tuple[NetworkRun, Looks, Looks]:
    """One run seen twice, by perfect sensors each second and by these each `every` seconds.

    Junctions act on the perfect ones: walks on demand would otherwise make it another run.
    """
    run = running(NetworkRun(scenario_or_skip("arterial", 400)))
    run.reset(3)
    sensors = Sensors(run.plan_set, run.names, libsumo)
    faulty = FaultySensors(sensors, faults, 3, run.now)
    perfect, seen = [in_a_row(sensors.look().readings)], [in_a_row(faulty.look(run.now).readings)]
    while not run.done:
        run.advance(run.program_stages(), 1)
        perfect.append(in_a_row(sensors.look().readings))
        faulty.note(run.now)
        if (run.now - run.scenario.begin) % every == 0:
            seen.append(in_a_row(faulty.look(run.now).readings))
    return run, perfect, seen


def in_a_row(readings: Sequence[tuple[DetectorReading, ...]]) -> list[DetectorReading]:
    return [reading for own in readings for reading in own]


def zones(run: NetworkRun) -> list[bool]:
    return [detector.kind is not DetectorKind.BUTTON for plan in run.plans for detector in plan.detectors]


def vehicles(seen: Looks, detectors: list[bool]) -> int:
    return sum(row[i].vehicles for row in seen for i, zone in enumerate(detectors) if zone)


def test_no_fault_changes_nothing(running: Register) -> None:
    assert looks(running, SensorFaults())[1] == looks(running, None)[1]


def test_exactly_the_asked_share_is_dead_and_the_rest_sees_as_before(running: Register) -> None:
    _, perfect, seen = side_by_side(running, SensorFaults(dead_share=0.2))
    dead = {i for i, reading in enumerate(seen[0]) if not reading.healthy}
    assert len(dead) == round(0.2 * len(seen[0]))
    for row, truth in zip(seen, perfect[::5], strict=True):
        assert all(row[i] == DetectorReading(0, 0, healthy=False) for i in dead)
        assert all(row[i] == truth[i] for i in range(len(row)) if i not in dead)


def test_a_dead_detector_puts_its_group_on_recall(running: Register) -> None:
    run = running(NetworkRun(scenario_or_skip("single", 60), faults=SensorFaults(dead_share=1.0)))
    (view,) = run.reset(1)
    watched = {detector.group for detector in view.plan.detectors}
    assert calls_from(view.plan, view.readings) == sum(1 << group for group in watched)


def test_stuck_detectors_freeze_and_claim_to_be_well(running: Register) -> None:
    _, perfect, seen = side_by_side(running, SensorFaults(stuck_share=0.5), every=1)
    whole, late = range(len(seen[0])), slice(STICKS_WITHIN_S + 1, None)
    wrong = {i for row, truth in zip(seen, perfect, strict=True) for i in whole if row[i] != truth[i]}
    frozen = {i for i in whole if len({row[i] for row in seen[late]}) == 1}
    assert wrong <= frozen
    assert round(0.25 * len(whole)) < len(wrong) <= round(0.5 * len(whole))
    assert any(seen[-1][i].vehicles for i in wrong)
    assert all(reading.healthy for row in seen for reading in row)


def test_noise_misses_and_invents_vehicles_about_as_often_as_asked(running: Register) -> None:
    run, perfect, seen = side_by_side(running, SensorFaults(noise=0.2), every=1)
    zone = zones(run)
    truth = vehicles(perfect, zone)
    expected = 0.8 * truth + 0.2 * sum(zone) * len(perfect)
    assert truth > 1000
    assert vehicles(seen, zone) == pytest.approx(expected, rel=0.03)
    assert all(reading.queued <= reading.vehicles for row in seen for reading in row)


@pytest.mark.parametrize(("latency", "age"), [(2.5, 3), (7.0, 7)])
@pytest.mark.parametrize("every", [1, 5])
def test_late_readings_are_those_of_some_seconds_ago(
    latency: float, age: int, every: int, running: Register
) -> None:
    _, perfect, seen = side_by_side(running, SensorFaults(latency_s=latency), every=every)
    before = [[DetectorReading()] * len(seen[0])] * age + perfect
    assert seen == before[: len(perfect) : every]


def test_the_same_seeds_give_the_same_faults(running: Register) -> None:
    faults = SensorFaults(dead_share=0.1, stuck_share=0.1, noise=0.1, latency_s=1, seed=5)
    first, again = (looks(running, faults)[1] for _ in range(2))
    other = looks(running, SensorFaults(dead_share=0.1, stuck_share=0.1, noise=0.1, latency_s=1, seed=6))[1]
    assert first == again
    assert first != other
    assert [r.healthy for r in looks(running, faults, seed=4)[1][0]] != [r.healthy for r in first[0]]


def test_lamps_stay_legal_when_sensors_fail(running: Register) -> None:
    faults = SensorFaults(dead_share=0.3, stuck_share=0.3, noise=0.3, latency_s=3)
    run, _ = looks(running, faults)
    assert run.violations == 0


def test_environments_take_faults_in_their_settings() -> None:
    rows = []
    for faults in (None, SensorFaults(dead_share=1.0)):
        env = JunctionEnv(scenario_or_skip("single", 100), settings=SlotSettings(faults=faults))
        env.reset(seed=1)
        rows.append(np.stack([env.step(0)[0] for _ in range(10)]))
        env.close()
    assert (rows[0] != rows[1]).any()
    assert np.isfinite(rows[1]).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dead_share": 1.2}, "dead_share must be 0 to 1"),
        ({"noise": -0.1}, "noise must be 0 to 1"),
        ({"dead_share": 0.6, "stuck_share": 0.6}, "together"),
        ({"latency_s": 100.0}, "latency_s must be 0 to 60"),
    ],
)
def test_impossible_faults_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        SensorFaults(**values)  # type: ignore[arg-type]  # the seed alone is no float
