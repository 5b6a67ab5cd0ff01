"""What the emergency table says of runs whose figures are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stopline_agents.emergency import Arm, ArmOutcome
from stopline_agents.emergency_table import AFTER_S, BEFORE_S, compared, evaluate_emergency
from stopline_envs.emergency import EmergencyFigures
from stopline_envs.metrics import TripMetrics
from stopline_envs.scenario import load_scenario
from stopline_signals.errors import PolicyError

TRIP = EmergencyFigures(
    arrived=True,
    travel_time_s=110.0,
    time_loss_s=20.0,
    stops=0,
    signals=4,
    crossed_without_stop=4,
    distance_m=1e3,
)
METRICS = TripMetrics(
    delay_s=20.0, wait_s=5.0, travel_time_s=60.0, speed_mps=9.0, stops=1.0, unserved=0, vehicles=9,
    finished=9, longest_wait_s=50.0,
)  # fmt: skip


def outcome(*trips: EmergencyFigures, lost: float = 1.0, delay: float = 20.0) -> ArmOutcome:
    return ArmOutcome(
        trips=trips,
        metrics=replace(METRICS, delay_s=delay),
        lost=np.full((1000, 2), lost, np.float32),
        crossings=((500, 1),),
        violations=0,
    )


def test_a_vehicle_counts_when_near_the_free_time_or_with_most_of_its_loss_gone() -> None:
    slow = replace(TRIP, travel_time_s=300.0, time_loss_s=200.0, crossed_without_stop=1)
    base = outcome(slow, slow, slow)
    saved = replace(TRIP, travel_time_s=150.0, time_loss_s=59.0)
    neither = replace(TRIP, travel_time_s=150.0, time_loss_s=61.0)
    found = compared(outcome(TRIP, saved, neither), base, [100.0, 100.0, 100.0])
    assert found.reached == pytest.approx(2 / 3)
    assert found.travel_ratio == pytest.approx((1.1 + 1.5 + 1.5) / 3)
    assert found.without_stop == 1.0
    lost = compared(outcome(replace(TRIP, arrived=False)), base, [100.0])
    assert lost.reached == 0.0, "it had not arrived"


def test_side_effects_are_counted_around_the_crossings_only() -> None:
    base, helped = outcome(TRIP), outcome(TRIP, delay=21.0)
    helped.lost[: 500 - BEFORE_S, 1] = 9.0
    helped.lost[500 + AFTER_S :, 1] = 9.0
    helped.lost[:, 0] = 9.0
    found = compared(helped, base, [100.0])
    assert found.side == pytest.approx(0.0) and found.network == pytest.approx(0.05)
    helped.lost[500 - BEFORE_S : 500 + AFTER_S, 1] = 1.2
    assert compared(helped, base, [100.0]).side == pytest.approx(0.2)


def test_the_table_compares_all_arms_on_each_seed() -> None:
    scenario = load_scenario("arterial").between(0, 560)
    table = evaluate_emergency(scenario, "actuated", [1], every_s=300)
    assert set(table.arms) == set(Arm)
    none = table.arms[Arm.NONE][0]
    assert none.side == none.network == 0.0 and none.vehicles == 1
    assert table.to_table()["arms"]["priority"]["violations"] == 0
    with pytest.raises(PolicyError, match="no emergency vehicle"):
        evaluate_emergency(scenario.between(0, 400), "actuated", [1])
