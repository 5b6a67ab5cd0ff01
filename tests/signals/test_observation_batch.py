"""The encoder of many junctions gives, bit for bit, what the encoder of one gives for each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stopline_signals import (
    Detector,
    DetectorKind,
    DetectorReading,
    Encoder,
    Engine,
    Guard,
    PlanError,
    SignalPlan,
)
from stopline_signals.batch import BatchEncoder
from stopline_signals.engine import KEEP
from tests.signals.plans_for_tests import four_groups, random_plans

KINDS = st.sampled_from((DetectorKind.NEAR_ZONE, DetectorKind.FAR_ZONE, DetectorKind.BUTTON))
READINGS = st.builds(DetectorReading, st.integers(0, 60), st.integers(0, 60), st.booleans())


@st.composite
def watched(draw: st.DrawFn) -> SignalPlan:
    """Random plans with detectors, sometimes several of a kind for a group, sometimes none."""
    plan = draw(random_plans())
    places = draw(st.lists(st.tuples(st.integers(0, len(plan.groups) - 1), KINDS), max_size=8))
    detectors = tuple(Detector(f"d{i}", kind, group, 0, 50) for i, (group, kind) in enumerate(places))
    lanes = draw(st.sampled_from((0.2, 1.0, 1.5, 3.0)))
    groups = tuple(replace(group, lanes=lanes) for group in plan.groups)
    return replace(plan, detectors=detectors, groups=groups)


@settings(max_examples=100, deadline=None)
@given(st.lists(watched(), min_size=1, max_size=4), st.data())
def test_all_at_once_equals_one_by_one(plans: list[SignalPlan], data: st.DataObject) -> None:
    engines = [Engine(plan) for plan in plans]
    encoders = [Encoder(engine, 8, 6) for engine in engines]
    batch = BatchEncoder(engines, 8, 6)
    states = [engine.start(0) for engine in engines]
    for _ in range(data.draw(st.integers(1, 6))):
        readings = [tuple(data.draw(READINGS) for _ in plan.detectors) for plan in plans]
        states = [
            engine.advance(
                state,
                data.draw(st.integers(KEEP, engine.all_red)),
                data.draw(st.integers(0, 63)),
                state.now + data.draw(st.integers(0, 120)),
            ).state
            for engine, state in zip(engines, states, strict=True)
        ]
        allowed = [Guard(engine).allowed(state) for engine, state in zip(engines, states, strict=True)]
        flat = [reading for own in readings for reading in own]
        healthy = np.asarray([reading.healthy for reading in flat], dtype=np.bool_)
        rows = batch.encode(
            states,
            np.asarray([reading.vehicles for reading in flat], dtype=np.int64),
            np.asarray([reading.queued for reading in flat], dtype=np.int64),
            allowed,
            healthy=None if healthy.all() else healthy,
        )
        for row, encoder, state, own, mask in zip(rows, encoders, states, readings, allowed, strict=True):
            np.testing.assert_array_equal(row, encoder.encode(state, own, mask))


@settings(max_examples=100, deadline=None)
@given(random_plans(), st.lists(st.tuples(st.integers(KEEP, 5), st.integers(0, 63), st.integers(0, 90))))
def test_waits_are_the_earliest_times_of_all_stages(
    plan: SignalPlan, orders: list[tuple[int, int, int]]
) -> None:
    engine = Engine(plan)
    state = engine.start(0)
    for request, calls, span in orders:
        state = engine.advance(state, min(request, engine.all_red), calls, state.now + span).state
        waits = [engine.earliest(state, stage) - state.now for stage in range(len(plan.stages))]
        assert engine.waits(state) == waits


def test_it_writes_into_what_it_is_given() -> None:
    engine = Engine(four_groups())
    batch = BatchEncoder([engine, engine])
    out = np.full((2, batch.layout.size), 7.0, dtype=np.float32)
    zeros = np.zeros(8, dtype=np.int64)
    rows = batch.encode([engine.start(0)] * 2, zeros, zeros, [1, 3], out=out)
    assert rows is out
    np.testing.assert_array_equal(out[:, batch.layout.mask].sum(axis=1), [1.0, 2.0])
    np.testing.assert_array_equal(out[0], Encoder(engine).encode(engine.start(0), [DetectorReading()] * 4, 1))


def test_a_junction_too_large_is_refused() -> None:
    with pytest.raises(PlanError, match="the encoder holds 3 and 2"):
        BatchEncoder([Engine(four_groups())], 3, 2)
