"""What the policy last decided on: published when asked for, with every detector it did not believe."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stopline_cabinets.words import Mode
from stopline_controller.detector_health import DetectorWatch, Fault, HealthLimits
from stopline_controller.insight import Insight, Insights
from stopline_controller.policies import PolicyFacts
from stopline_controller.wire import insight_message
from stopline_signals.detectors import DetectorReading, groups_without_sensor
from stopline_signals.engine import KEEP, Engine
from stopline_signals.observation import ENCODER_VERSION, ROW_FEATURES, STAGE_FEATURES, Encoder
from stopline_signals.saturation import LARGEST_OF_ROW, LARGEST_OF_STAGE, saturated
from tests.controller.bench import PlcBench, ServeProcess, until
from tests.controller.sites import write_site
from tests.controller.test_control_loop import Plant
from tests.controller.test_operator_commands import stopline
from tests.controller.town import PLAN

COUNT = len(PLAN.detectors)
FACTS = PolicyFacts("turns", "ab" * 32, encoder_version=ENCODER_VERSION)


class Policies:
    facts = FACTS

    def withdraws(self, junction: str) -> str:
        return ""


def insight(plant: Plant, name: str = "A") -> Insight:
    return Insights(plant.runtimes.values(), Policies()).of(name)


def show(plant: Plant, readings: list[DetectorReading]) -> None:
    plant.cabinets["A"].street.core.set_readings(tuple(readings))


async def test_a_dead_detector_is_shown_as_the_policy_does_not_see_it(tmp_path: Path) -> None:
    async with Plant(tmp_path, "A") as plant:
        readings = [DetectorReading(2, 1)] * COUNT
        readings[1] = readings[1]._replace(healthy=False)
        show(plant, readings)
        await plant.until(lambda: Fault.REPORTED in plant.runtimes["A"].watch.each)
        decided = len(plant.policy.batches)
        await plant.until(lambda: len(plant.policy.batches) > decided)
        found = insight(plant)
        assert found.faults[1] is Fault.REPORTED and not any(found.faults[2:])
        assert found.observed is not None and found.withdrawn == ""
        assert [reading.healthy for reading in found.observed.readings] == [n != 1 for n in range(COUNT)]
        assert found.observed.recalled == 1 << PLAN.detectors[1].group | groups_without_sensor(PLAN)
        assert found.observed.coverage == pytest.approx(1 - 1 / COUNT)
        assert 0 <= found.observed.age <= 60 and found.observed.stage is not None
        message = insight_message(PLAN, found, True)
        assert message.observation.detectors[1].fault == "reported by the cabinet"
        assert (message.policy, message.encoder_version) == ("turns", FACTS.encoder_version)


async def test_too_few_detectors_take_the_policy_out_and_the_reason_is_published(tmp_path: Path) -> None:
    async with Plant(tmp_path, "A", "B") as plant:
        watch = DetectorWatch(PLAN, HealthLimits(max_presence=100))
        plant.runtimes["A"].watch = watch
        stuck = COUNT // 2
        show(plant, [DetectorReading(2, 1)] * stuck + [DetectorReading()] * (COUNT - stuck))
        await plant.until(lambda: plant.mode("A") is Mode.LOCAL)
        found = insight(plant)
        assert "of the detectors work" in found.withdrawn and "75%" in found.withdrawn
        assert found.observed is not None and found.observed.stage is None
        assert found.observed.coverage == pytest.approx(1 - stuck / COUNT) and found.least_coverage == 0.75
        assert found.faults[:stuck] == (Fault.MAX_PRESENCE,) * stuck
        message = insight_message(PLAN, found, True)
        assert message.withdrawn == found.withdrawn and not message.observation.decided
        assert message.observation.stage == KEEP
        assert insight(plant, "B").withdrawn == ""


async def test_before_the_policys_first_turn_there_is_no_observation(tmp_path: Path) -> None:
    plant = Plant(tmp_path, "A")
    found = insight(plant)
    assert found.observed is None
    message = insight_message(PLAN, found, False)
    assert not message.HasField("observation") and not message.cabinet_online
    plant.audit.close()


def test_the_ends_of_the_scales_are_those_of_the_encoder() -> None:
    """By a jam in which everybody has waited for hours: what has an end is at it, the rest is not listed."""
    engine = Engine(PLAN)
    encoder = Encoder(engine)
    state = engine.start(0)
    state = state._replace(
        now=200_000,
        since=(0,) * len(state.since),
        waiting_since=(0,) * len(state.waiting_since),
        settled_at=300_000,
    )
    readings = [DetectorReading(500, 500)] * COUNT
    vector = encoder.encode(state, readings, 0)
    found = set(saturated(PLAN, vector, encoder.layout))
    rows = vector[encoder.layout.rows].reshape(-1, len(ROW_FEATURES)).max(axis=0)
    for name, largest in LARGEST_OF_ROW.items():
        # Nothing is green in this state.
        if name != "green_time":
            assert rows[ROW_FEATURES.index(name)] == largest, name
            assert any(figure.feature == name for figure in found), name
    stages = vector[encoder.layout.stages].reshape(-1, len(STAGE_FEATURES)).max(axis=0)
    for name, largest in LARGEST_OF_STAGE.items():
        assert stages[STAGE_FEATURES.index(name)] == largest, name
    calm = encoder.encode(engine.start(0), [DetectorReading(1, 0)] * COUNT, 0).copy()
    assert not list(saturated(PLAN, calm, encoder.layout))
    assert np.isfinite(vector).all() and ENCODER_VERSION == 1


def test_an_engineer_sees_it_at_the_terminal(tmp_path: Path) -> None:
    with PlcBench("A", rate=10.0) as bench:
        site = write_site(tmp_path, bench.tables(limit_s=3), controller="clock_rate = 10.0", interval=1.0)
        with ServeProcess(site) as server:
            words = ("junction", "show", "A", "--address", server.address)

            def shown() -> dict[str, object]:
                done = stopline(*words, "--json")
                assert done.returncode == 0, done.stderr
                table: dict[str, object] = json.loads(done.stdout)
                return table

            until(lambda: "observation" in shown(), 20, "an observation")
            dead = PLAN.detectors[0].name
            readings = [DetectorReading(1, 1, False)] + [DetectorReading(1, 0)] * (COUNT - 1)
            bench.do(lambda: bench.cabinets["A"].set_readings(tuple(readings)))
            until(lambda: "reported by the cabinet" in json.dumps(shown()), 20, "the dead detector")
            text = stopline(*words)
            assert text.returncode == 0 and dead in text.stdout and "decides here" in text.stdout
            assert "encoder 1" in text.stdout and "groups on recall" in text.stdout
            assert stopline("junction", "show", "Z", "--address", server.address).returncode == 1
