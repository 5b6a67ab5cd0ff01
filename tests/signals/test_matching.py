"""Positions to approaches: what is matched, what outlives a gap, where a way is predicted, what is a lie."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from stopline_signals.approach_map import EARTH_M, ApproachMap, MappedApproach
from stopline_signals.matching import HORIZON_M, KEPT_S, MOST_PREDICTED, Placed, Tracker
from stopline_signals.plausible import FARTHEST_M
from stopline_signals.vehicles import Ahead, Fix, RouteStop, VehicleClass, VehicleReport
from stopline_signals.ways import turned

NORTH, EAST = 52.26, 10.52


def degrees(x: float, y: float) -> tuple[float, float]:
    """A place x m east and y m north of the town's middle; written apart from the code it tests."""
    return (
        NORTH + y / EARTH_M * 180 / math.pi,
        EAST + x / (EARTH_M * math.cos(math.radians(NORTH))) * 180 / math.pi,
    )


def approach(
    name: str, junction: str, *path: tuple[float, float], then: Sequence[str] = ()
) -> MappedApproach:
    return MappedApproach(name, junction, name, tuple(degrees(x, y) for x, y in path), tuple(then))


# J1 at 0, J2 at 300, J3 at 600 on a road to the east; J4 is 300 m north of J2. Stop lines lie 10 m before.
EASTWARD = [
    approach("W1", "J1", (-300, 0), (-10, 0), then=["12"]),
    approach("12", "J2", (10, 0), (290, 0), then=["23", "24"]),
    approach("23", "J3", (310, 0), (590, 0)),
    approach("24", "J4", (300, 10), (300, 290)),
]
WESTWARD = [
    approach("32", "J2", (590, 6), (310, 6), then=["21"]),
    approach("21", "J1", (290, 6), (10, 6)),
]
TOWN = ApproachMap({row.name: row for row in (*EASTWARD, *WESTWARD)})


def fix(x: float, y: float, heading: float | None = 90.0, accuracy: float = 0.0) -> Fix:
    return Fix(*degrees(x, y), heading, accuracy)


def near(ahead: Sequence[Ahead]) -> list[tuple[str, int]]:
    return [(one.junction, round(one.distance_m)) for one in ahead]


def once(where: Fix, *route: RouteStop, speed: float = 14.0) -> Placed:
    return Tracker(TOWN).place("amb", where, speed, route, 100.0)


def test_a_position_is_matched_and_the_way_straight_on_is_predicted() -> None:
    placed = once(fix(-110, 2))
    assert placed.approach == "W1" and placed.predicted
    assert near(placed.ahead) == [("J1", 100), ("J2", 400), ("J3", 700)]
    assert placed.beside_m == pytest.approx(2.0, abs=0.01)
    assert all(not one.group and one.approach for one in placed.ahead), "which way it turns is not known"


def test_the_course_tells_the_directions_of_a_street_apart() -> None:
    assert once(fix(200, 3, 90.0)).approach == "12"
    assert once(fix(200, 3, 270.0)).approach == "21"
    assert once(fix(200, 3, 0.0)).approach == "", "nobody drives across it"


def test_without_a_course_nothing_is_asked_for_until_two_positions_tell_it() -> None:
    tracker = Tracker(TOWN)
    first = tracker.place("amb", fix(200, 3, None), 14.0, (), 0.0)
    assert first == Placed(reason="its course is not known yet")
    assert tracker.place("amb", fix(186, 3, None), 14.0, (), 1.0).approach == "21"


def test_a_receivers_course_at_rest_is_not_believed() -> None:
    tracker = Tracker(TOWN)
    tracker.place("amb", fix(270, 0, 90.0), 10.0, (), 0.0)
    assert tracker.place("amb", fix(280, 0, 265.0), 0.2, (), 1.0).approach == "12"


@pytest.mark.parametrize("heading", [None, 270.0])
def test_one_that_stands_is_not_turned_round_by_its_receivers_noise(heading: float | None) -> None:
    rng, tracker = random.Random(1), Tracker(TOWN)
    tracker.place("amb", fix(270, 0, 90.0), 8.0, (), 0.0)
    for second in range(1, 60):
        where = fix(280 + rng.gauss(0, 5), rng.gauss(0, 5), heading, 5.0)
        assert tracker.place("amb", where, 0.0, (), second).approach == "12"


def test_a_stated_route_decides_where_it_turns_and_which_group_serves_it() -> None:
    route = (RouteStop("J1"), RouteStop("J2", "left"), RouteStop("J4"))
    placed = once(fix(-110, 0), *route)
    assert not placed.predicted and near(placed.ahead)[:2] == [("J1", 100), ("J2", 400)]
    assert [one.junction for one in placed.ahead] == ["J1", "J2", "J4"]
    assert (placed.ahead[1].group, placed.ahead[1].approach) == ("left", "12")
    further = once(fix(200, 0), *route)
    assert [one.junction for one in further.ahead] == ["J2", "J4"], "what is behind it is left out"


def test_a_route_that_leaves_a_junction_out_goes_on_behind_it() -> None:
    placed = once(fix(-110, 0), RouteStop("J3", "main"))
    assert near(placed.ahead) == [("J3", 700)] and not placed.predicted


BACK = ApproachMap(
    {
        row.name: row
        for row in (
            approach("W1", "J1", (-300, 0), (-10, 0), then=["12"]),
            # The way back is the first the map names, and the only one to J1.
            approach("12", "J2", (10, 0), (290, 0), then=["21", "23"]),
            approach("21", "J1", (290, 6), (10, 6), then=["12"]),
            approach("23", "J3", (310, 0), (590, 0), then=["32"]),
            approach("32", "J2", (590, 6), (310, 6), then=["21"]),
        )
    }
)


def test_nobody_is_taken_to_turn_back() -> None:
    tracker = Tracker(BACK)
    assert [one.junction for one in tracker.place("amb", fix(100, 0), 14.0, (), 0.0).ahead] == ["J2", "J3"]
    off = tracker.place("bus", fix(100, 0), 14.0, (RouteStop("J1"),), 0.0)
    assert off.predicted and off.reason == "is off its route"


def test_a_route_that_is_driven_is_over_and_one_seen_beyond_the_line_too_early_is_not() -> None:
    tracker = Tracker(BACK)
    route = (RouteStop("J1"), RouteStop("J2"))
    assert [one.junction for one in tracker.place("amb", fix(-30, 0), 14.0, route, 0.0).ahead] == ["J1", "J2"]
    assert [one.junction for one in tracker.place("amb", fix(20, 0), 14.0, route, 3.0).ahead] == ["J2"]
    back = tracker.place("amb", fix(-25, 0), 2.0, route, 4.0)
    assert [one.junction for one in back.ahead] == ["J1", "J2"], "a receiver's error"
    tracker.place("amb", fix(280, 0), 14.0, route, 25.0)
    over = tracker.place("amb", fix(330, 0), 14.0, route, 28.0)
    assert over.approach == "23" and over.ahead == () and over.reason == "its route is driven"
    assert tracker.place("amb", fix(330, 0), 14.0, (RouteStop("J3"),), 29.0).ahead, "a new route"


def test_a_way_off_the_map_is_no_turn() -> None:
    town = ApproachMap({row.name: row for row in (EASTWARD[0]._replace(then=("", "12")), *EASTWARD[1:])})
    placed = Tracker(town).place("amb", fix(-110, 0), 14.0, (), 0.0)
    assert [one.junction for one in placed.ahead] == ["J1"]
    stated = Tracker(town).place("amb", fix(-110, 0), 14.0, (RouteStop("J2"),), 0.0)
    assert [one.junction for one in stated.ahead] == ["J2"], "who says so goes that way"


def road(count: int, apart: float) -> ApproachMap:
    """A straight road over many junctions."""
    rows = [
        approach(
            f"A{n}",
            f"J{n}",
            (n * apart + 5, 0),
            ((n + 1) * apart - 5, 0),
            then=[f"A{n + 1}"][: n < count - 1],
        )
        for n in range(count)
    ]
    return ApproachMap({row.name: row for row in rows})


def test_a_guess_goes_no_further_than_it_may_and_a_long_route_is_cut_where_nobody_listens() -> None:
    near_by = Tracker(road(40, 100)).place("amb", fix(10, 0), 14.0, (), 0.0)
    assert len(near_by.ahead) == MOST_PREDICTED
    apart = Tracker(road(40, 500)).place("amb", fix(10, 0), 14.0, (), 0.0)
    assert [one.junction for one in apart.ahead] == ["J0"], f"J1 is beyond {HORIZON_M:g} m"
    route = [RouteStop(f"J{n}") for n in range(40)]
    whole = Tracker(road(40, 500)).place("amb", fix(10, 0), 14.0, route, 0.0)
    assert len(whole.ahead) == 20 and whole.ahead[-1].distance_m <= FARTHEST_M


@pytest.mark.parametrize("accuracy", [1e-300, 1e-160, 0.02, 0.0])
def test_a_position_that_claims_to_be_exact_is_still_against_a_map(accuracy: float) -> None:
    tracker = Tracker(TOWN)
    tracker.place("amb", fix(285, 0, 90.0, accuracy), 3.0, (), 0.0)
    for second in range(1, 20):
        placed = tracker.place("amb", fix(292, 2, None, accuracy), 0.0, (), second)
        assert placed.approach == "12"


def test_one_that_stands_through_a_gap_needs_no_course_anew() -> None:
    tracker = Tracker(TOWN)
    tracker.place("amb", fix(280, 0), 3.0, (), 0.0)
    assert tracker.place("amb", fix(284, 1, None), 0.0, (), 40.0).approach == "12"
    assert tracker.place("amb", fix(284, 1, None), 0.0, (), 110.0).approach == "", "forgotten after a minute"
    tracker.place("bus", fix(100, 0), 14.0, (), 0.0)
    assert tracker.place("bus", fix(200, 0, None), 0.0, (), 10.0).approach == "", "it has driven meanwhile"


FORK = ApproachMap(
    {
        row.name: row
        for row in (
            approach("W1", "J1", (-300, 0), (-10, 0), then=["to J2", "to J3"]),
            # Both begin on the same street; the second leaves it after 100 m.
            approach("to J2", "J2", (10, 0), (290, 0)),
            approach("to J3", "J3", (10, 0), (110, 0), (190, -80)),
        )
    }
)


def test_on_a_street_that_leads_to_two_signals_the_route_decides_or_the_likelier_comes_first() -> None:
    for junction in ("J2", "J3"):
        for aside in (-0.5, 0.5):
            placed = Tracker(FORK).place("amb", fix(95, aside), 14.0, (RouteStop(junction),), 0.0)
            assert placed.approach == f"to {junction}"
    tracker = Tracker(FORK)
    tracker.place("amb", fix(-20, 0), 14.0, (), 0.0)
    assert tracker.place("amb", fix(50, -0.3), 14.0, (), 5.0).approach == "to J2"
    rows = dict(FORK.approaches)
    rows["W1"] = rows["W1"]._replace(then=("to J3", "to J2"))
    turned_round = Tracker(ApproachMap(rows))
    turned_round.place("amb", fix(-20, 0), 14.0, (), 0.0)
    assert turned_round.place("amb", fix(50, 0.3), 14.0, (), 5.0).approach == "to J3"


def test_without_headings_a_course_follows_the_turns_that_are_driven() -> None:
    tracker = Tracker(TOWN)
    for second in range(8):
        tracker.place("amb", fix(200 + 14 * second, 0, None), 14.0, (), second)
    tracker.place("amb", fix(300, 20, None), 14.0, (), 8.0)
    # From where the street was entered it still lies to the east: only the last metres tell the turn.
    turned_off = tracker.place("amb", fix(300, 34, None), 14.0, (), 9.0)
    assert turned_off.approach == "24"


def test_one_that_crawls_is_past_the_line_before_it_is_across_the_junction() -> None:
    tracker = Tracker(TOWN)
    tracker.place("amb", fix(285, 0, 90.0, 20.0), 3.0, (), 0.0)
    assert tracker.place("amb", fix(305, 0, None, 20.0), 1.0, (), 2.0).ahead[0].junction == "J2"
    tracker.place("amb", fix(285, 0, 90.0, 20.0), 3.0, (), 4.0)
    town = Tracker(ApproachMap({"12": EASTWARD[1]._replace(then=())}))
    town.place("amb", fix(285, 0, 90.0, 20.0), 3.0, (), 0.0)
    assert town.place("amb", fix(312, 0, None, 20.0), 1.0, (), 2.0).approach == ""


def test_off_its_route_the_way_is_predicted_again() -> None:
    placed = once(fix(500, 0), RouteStop("J2"), RouteStop("J4"))
    assert placed.approach == "23" and placed.predicted and placed.reason == "is off its route"
    assert near(placed.ahead) == [("J3", 90)]


def test_it_has_passed_once_it_is_beyond_the_line_and_drives() -> None:
    tracker = Tracker(TOWN)
    tracker.place("amb", fix(280, 0), 14.0, (), 0.0)
    inside = tracker.place("amb", fix(299, 0), 14.0, (), 1.0)
    assert [one.junction for one in inside.ahead] == ["J3"]
    after = tracker.place("amb", fix(313, 0), 14.0, (), 2.0)
    assert after.approach == "23" and near(after.ahead) == [("J3", 277)]


def test_one_that_stands_at_the_line_has_not_passed_it_for_being_seen_beyond() -> None:
    tracker = Tracker(TOWN)
    tracker.place("amb", fix(286, 0), 5.0, (), 0.0)
    for second in range(1, 30):
        placed = tracker.place("amb", fix(288 + 7 * (second % 2), 0), 0.0, (), second)
        assert placed.ahead and placed.ahead[0].junction == "J2"


def test_a_gap_is_driven_through_and_then_ends() -> None:
    tracker = Tracker(TOWN)
    tracker.place("amb", fix(100, 0), 10.0, (), 0.0)
    for second in range(1, int(KEPT_S) + 1):
        held = tracker.place("amb", fix(100 + 10 * second, 80), 10.0, (), second)
        assert near(held.ahead)[0] == ("J2", 190 - 10 * second)
    lost = tracker.place("amb", fix(170, 80), 10.0, (), KEPT_S + 1)
    assert lost == Placed(reason="on no approach of the map")


def test_where_streets_run_side_by_side_it_stays_on_the_one_it_came_by() -> None:
    beside = approach("P", "J9", (10, 14), (290, 14))
    town = ApproachMap({row.name: row for row in (*EASTWARD, beside)})
    tracker = Tracker(town)
    tracker.place("amb", fix(30, 0), 14.0, (), 0.0)
    assert tracker.place("amb", fix(44, 8), 14.0, (), 1.0).approach == "12", "8 m off, 6 m from the other"
    assert Tracker(town).place("amb", fix(44, 10), 14.0, (), 1.0).approach == "P", "from nowhere the nearest"


@pytest.mark.parametrize("seed", range(20))
def test_a_drive_with_a_receivers_errors_is_matched_all_the_way(seed: int) -> None:
    rng, tracker = random.Random(seed), Tracker(TOWN)
    wrong = 0
    for second in range(62):
        x = -290 + 14 * second
        if rng.random() < 0.1:
            continue
        where = fix(x + rng.gauss(0, 5), rng.gauss(0, 5), 90 + rng.gauss(0, 10), 5.0)
        placed = tracker.place("amb", where, 14.0, (), second)
        true = [("J1", -10 - x), ("J2", 290 - x), ("J3", 590 - x)]
        line = next(((name, left) for name, left in true if left > 25), None)
        if line is None or any(abs(left) <= 25 for _, left in true):
            continue  # at a stop line either junction may be the next
        found = placed.ahead[0]
        wrong += found.junction != line[0] or abs(found.distance_m - line[1]) > 25
    assert wrong == 0


def test_metres_that_cannot_be_true_where_it_is_are_a_lie() -> None:
    tracker = Tracker(TOWN)

    def said(metres: float, junction: str = "J2") -> str:
        ahead = (Ahead(junction, "main", distance_m=metres),)
        report = VehicleReport(
            vehicle="amb", kind=VehicleClass.AMBULANCE, sequence=1, ahead=ahead, position=fix(-110, 0)
        )
        return tracker.lie(report)

    assert said(400.0) == "" and said(310.0) == "", "as far as it is, or a receiver's error nearer"
    assert "says 40 m to J2" in said(40.0) and "which is 400 m from its position" in said(40.0)
    assert said(40.0, "elsewhere") == "", "not on the map"
    for word in ("12", "32", "no such approach", ""):
        ahead = (Ahead("J2", "main", word, 40.0, 20.0),)
        report = VehicleReport(
            vehicle="amb", kind=VehicleClass.AMBULANCE, sequence=1, ahead=ahead, position=fix(-110, 0)
        )
        assert "says 40 m" in tracker.lie(report), "neither a word nor an arrival hides it"


def test_vehicles_are_told_apart_and_forgotten() -> None:
    tracker = Tracker(TOWN)
    tracker.place("a", fix(270, 0), 14.0, (), 0.0)
    assert tracker.place("b", fix(302, -60), 14.0, (), 1.0).ahead == (), "b has no past"
    assert tracker.place("a", fix(302, -60), 14.0, (), 1.0).ahead
    tracker.forget("a")
    assert tracker.place("a", fix(302, -60), 14.0, (), 2.0).ahead == ()


@pytest.mark.parametrize(("a", "b", "turn"), [(350, 10, 20), (10, 350, -20), (0, 180, -180), (90, 90, 0)])
def test_turns_go_the_short_way_round(a: float, b: float, turn: float) -> None:
    assert turned(a, b) == turn
