"""What the emergency table says of runs whose figures are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stopline_agents.emergency import Arm, ArmOutcome
from stopline_agents.emergency_figures import AFTER_S, BEFORE_S, compared
from stopline_agents.emergency_table import evaluate_emergency, summary
from stopline_agents.emergency_watch import Crossing
from stopline_agents.statistics import ratio
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
CYCLE = 50


def outcome(
    *trips: EmergencyFigures, lost: float = 1.0, delay: float = 20.0, served: float = 0.5
) -> ArmOutcome:
    return ArmOutcome(
        trips=trips,
        metrics=replace(METRICS, delay_s=delay),
        lost=np.full((1000, 2), lost, np.float32),
        standing={"A main": np.ones(1000, np.int32), "B side": np.ones(1000, np.int32)},
        crossings=(Crossing(500, 1, 12, served),),
        cycles_s=(CYCLE, CYCLE),
        violations=0,
    )


def test_a_vehicle_counts_when_near_the_free_time_or_with_most_of_its_loss_gone() -> None:
    slow = replace(TRIP, travel_time_s=300.0, crossed_without_stop=1)
    base = outcome(slow, slow, slow)
    saved, neither = replace(TRIP, travel_time_s=159.0), replace(TRIP, travel_time_s=161.0)
    found = compared(outcome(TRIP, saved, neither), base, [100.0, 100.0, 100.0])
    assert (found.reached, found.near_free) == pytest.approx((2 / 3, 1 / 3))
    assert found.travel_ratio == pytest.approx((1.1 + 1.59 + 1.61) / 3)
    assert (found.loss_s, found.base_loss_s) == pytest.approx((130 / 3, 200))
    assert found.without_stop == found.signals == 12 and found.green_lead_s == 12
    lost = compared(outcome(replace(TRIP, arrived=False)), base, [100.0])
    assert lost.reached == lost.near_free == 0.0, "it had not arrived"


def test_side_effects_are_counted_around_the_crossings_only() -> None:
    base, helped = outcome(TRIP), outcome(TRIP, delay=21.0)
    helped.lost[: 500 - BEFORE_S, 1] = 9.0
    helped.lost[500 + AFTER_S :, 1] = 9.0
    helped.lost[:, 0] = 9.0
    found = compared(helped, base, [100.0])
    assert found.side_s == found.base_side_s == BEFORE_S + AFTER_S
    helped.lost[500 - BEFORE_S : 500 + AFTER_S, 1] = 1.2
    table = summary([compared(helped, base, [100.0])])
    assert table["side"]["mean"] == pytest.approx(0.2)
    assert table["added_per_crossing_s"]["mean"] == pytest.approx(0.2 * (BEFORE_S + AFTER_S))


def test_the_others_delay_leaves_the_emergency_vehicles_own_out() -> None:
    slow = replace(TRIP, time_loss_s=100.0)
    found = compared(outcome(TRIP, delay=20.0), outcome(slow, delay=20.0), [100.0])
    assert found.others_delay_s == pytest.approx((9 * 20 - 20) / 8)
    assert found.base_others_delay_s == pytest.approx((9 * 20 - 100) / 8)


def test_the_worst_movement_is_that_of_a_crossed_junction_with_the_most_added_standing() -> None:
    base, helped = outcome(TRIP), outcome(TRIP)
    helped.standing["A main"][:] = 9
    helped.standing["B side"][500:510] = 3
    worst = summary([compared(helped, base, [100.0])])["worst_movement"]
    assert worst["movement"] == "B side" and worst["added_s"]["mean"] == 20


def test_recovery_is_when_all_are_served_and_others_lose_no_more_than_usual() -> None:
    base, helped = outcome(TRIP, lost=10.0), outcome(TRIP, lost=10.0)
    found = compared(helped, base, [100.0])
    assert (found.served_cycles, found.usual_cycles, found.recovered) == (0.5, 0.0, 1.0)
    helped.lost[500:700, 1] = 30.0
    found = compared(helped, base, [100.0])
    assert 3.8 < found.usual_cycles <= 4.0 and found.recovered == 0.0
    never = compared(outcome(TRIP, lost=10.0, served=-1.0), base, [100.0])
    assert never.recovered == 0.0


def test_a_ratio_is_of_sums_and_its_interval_holds_it() -> None:
    found = ratio([1.0, 0.0, 8.0], [10.0, 10.0, 10.0])
    assert found.mean == pytest.approx(0.3) and found.low <= 0.3 <= found.high
    assert found.per_seed == (0.1, 0.0, 0.8)
    assert ratio([0.0], [0.0]).mean == 0.0
    with pytest.raises(ValueError, match="paired"):
        ratio([1.0], [])


def test_the_table_compares_all_arms_on_each_seed() -> None:
    scenario = load_scenario("arterial").between(0, 860)
    table = evaluate_emergency(scenario, "actuated", [1], every_s=300)
    assert set(table.arms) == set(Arm)
    none = table.arms[Arm.NONE][0]
    assert none.side_s == none.base_side_s and none.vehicles == 1
    assert table.to_table()["arms"]["priority"]["violations"] == 0
    with pytest.raises(PolicyError, match="no emergency vehicle"):
        evaluate_emergency(scenario.between(0, 400), "actuated", [1])
