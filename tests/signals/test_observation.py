"""The encoder says what the street shows, row by row."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import pytest

from stopline_signals import ENCODER_VERSION, DetectorReading, Encoder, Engine, Guard, PlanError, calls_from
from stopline_signals.observation import ROW_FEATURES, STAGE_FEATURES
from tests.signals.plans_for_tests import EAST, NORTH, WALK, four_groups


def test_rows_hold_demand_and_lamps() -> None:
    plan = four_groups()
    engine = Engine(plan)
    encoder = Encoder(engine, 6, 4)
    readings = [DetectorReading(7, 3), DetectorReading(2, 2), DetectorReading(), DetectorReading(1)]
    calls = calls_from(plan, readings)
    assert calls == 1 << NORTH | 1 << EAST | 1 << WALK
    state = engine.advance(engine.start(0), 0, calls, 100).state
    vector = encoder.encode(state, readings, Guard(engine).allowed(state))
    rows = vector[encoder.layout.rows].reshape(6, -1)
    row = dict(zip(ROW_FEATURES, rows[NORTH], strict=True))
    assert row["near_vehicles"] == pytest.approx(7 / 2 / 7)
    assert row["near_queued"] == pytest.approx(3 / 2 / 7)
    assert row["protected"] == 1
    assert row["green_time"] == pytest.approx(7 / 30)
    east = dict(zip(ROW_FEATURES, rows[EAST], strict=True))
    assert east["waited"] == pytest.approx(100 / 1200)
    assert (east["protected"], east["called"]) == (0, 1)
    assert not rows[4:].any()


def test_stage_figures_and_mask() -> None:
    engine = Engine(four_groups())
    encoder = Encoder(engine, 4, 5)
    state = engine.advance(engine.start(0), 0, 0, 400).state
    vector = encoder.encode(state, [DetectorReading()] * 4, 0b101)
    stages = vector[encoder.layout.stages].reshape(5, -1)
    assert stages.shape == (5, len(STAGE_FEATURES))
    assert list(stages[:3, 0]) == [1, 0, 0]
    assert stages[1, 1] == pytest.approx(engine.typical_transition(0, 1) / 100)
    assert list(vector[encoder.layout.mask]) == [1, 0, 1, 0, 0]
    membership = vector[encoder.layout.membership].reshape(5, 4)
    assert list(membership[0]) == [1, 0, 0.5, 1]
    assert vector.size == encoder.layout.size
    assert vector.dtype == np.float32


def test_a_dead_detector_calls_but_counts_nothing() -> None:
    plan = four_groups()
    engine = Engine(plan)
    dead = [DetectorReading(50, 50, healthy=False), *[DetectorReading()] * 3]
    assert calls_from(plan, dead) == 1 << NORTH
    state = engine.advance(engine.start(0), 0, 0, 400).state
    encoder = Encoder(engine, 4, 4)
    rows = encoder.encode(state, dead, 1)[encoder.layout.rows].reshape(4, -1)
    assert rows[NORTH, 0] == 0


def test_encoding_into_a_given_array_leaves_nothing_behind() -> None:
    engine = Engine(four_groups())
    encoder = Encoder(engine)
    state = engine.advance(engine.start(0), 0, 0, 400).state
    readings = [DetectorReading(3, 1)] * 4
    fresh = encoder.encode(state, readings, 7)
    used = np.full(encoder.layout.size, 9, np.float32)
    assert np.array_equal(encoder.encode(state, readings, 7, used), fresh)


def test_an_encoder_asked_again_gives_what_a_new_one_gives() -> None:
    engine = Engine(four_groups())
    encoder, dice = Encoder(engine, 6, 4), random.Random(4)
    states = [engine.advance(engine.start(0), s % 3, 0b101, 150 + 40 * s).state for s in range(4)]
    for _ in range(60):
        state, allowed = dice.choice(states), dice.randrange(8)
        readings = [
            DetectorReading(dice.randrange(40), dice.randrange(20), dice.random() < 0.8) for _ in range(4)
        ]
        fresh = Encoder(engine, 6, 4).encode(state, readings, allowed)
        assert encoder.encode(state, readings, allowed).tobytes() == fresh.tobytes()


def test_a_junction_too_large_is_refused_by_name() -> None:
    with pytest.raises(PlanError, match="4 groups and 3 stages"):
        Encoder(Engine(four_groups()), 3, 8)


def test_the_vector_is_still_version_1_to_the_last_bit() -> None:
    """A trained bundle depends on every bit; change ENCODER_VERSION before you change this digest."""
    engine = Engine(four_groups())
    encoder, guard = Encoder(engine, 6, 4), Guard(engine)
    seen, chance = hashlib.sha256(), random.Random(1)
    state = engine.start(0)
    for _ in range(300):
        calls = chance.getrandbits(4)
        readings = [
            DetectorReading(chance.randrange(30), chance.randrange(9), chance.random() < 0.9)
            for _ in range(4)
        ]
        seen.update(encoder.encode(state, readings, guard.allowed(state)).tobytes())
        asked = guard.decide(state, chance.randrange(3)).stage
        state = engine.advance(state, asked, calls, state.now + chance.randrange(1, 90)).state
    assert ENCODER_VERSION == 1
    assert seen.hexdigest() == "3cda6e375f36366b622643b471fc385b6431757b1b804b31c29c4ea1b3eff7ec"
