"""Vehicles that wait for one another in a ring: told from a queue, and from a jam with a signal in it."""

from __future__ import annotations

import pytest

from stopline_agents.evaluate import run_one
from stopline_agents.parallel import run_tasks
from stopline_envs.deadlock import deadlocked
from stopline_envs.scenario import load_scenario


class Street:
    """libsumo's vehicle domain, as far as it is asked: who stands behind whom, and where stop lines are."""

    def __init__(
        self,
        before: dict[str, str],
        stop_line_m: dict[str, float],
        waited: dict[str, float],
        wrong: frozenset[str] = frozenset(),
    ) -> None:
        self.before, self.stop_line_m, self.waited, self.wrong = before, stop_line_m, waited, wrong

    def getIDList(self) -> list[str]:
        return list(self.before)

    def getWaitingTime(self, name: str) -> float:
        return self.waited.get(name, 1000.0)

    def getLeader(self, name: str, reach: float) -> tuple[str, float] | None:
        assert reach > 0
        return (self.before[name], 8.0) if self.before[name] else None

    def getMinGap(self, name: str) -> float:
        assert name in self.before
        return 2.5

    def getLaneID(self, name: str) -> str:
        return f"lane of {name}"

    def getBestLanes(self, name: str) -> list[tuple[str, float, float, int, bool, tuple[str, ...]]]:
        own = (self.getLaneID(name), 1.0, 0.0, int(name in self.wrong), name not in self.wrong, ())
        return [("beside", 90.0, 0.0, 0, True, ()), own]

    def getNextTLS(self, name: str) -> list[tuple[str, int, float, str]]:
        return [("J1", 0, self.stop_line_m[name], "r")] if name in self.stop_line_m else []


RING = {"a": "b", "b": "c", "c": "a"}


def test_a_ring_is_found_and_who_queues_behind_it_is_not_of_it() -> None:
    street = Street({**RING, "behind": "a", "further": "behind", "alone": ""}, {"behind": 300.0}, {})
    assert deadlocked(street) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("stop_line_m", "waited"),
    [({"b": 10.4}, {}), ({}, {"b": 299.0})],
    ids=["a stop line between two of them", "one that stopped a little later"],
)
def test_a_ring_that_may_yet_open_is_none(stop_line_m: dict[str, float], waited: dict[str, float]) -> None:
    assert deadlocked(Street(RING, stop_line_m, waited)) == frozenset()


def test_a_stop_line_beyond_the_vehicle_in_front_is_no_part_of_the_ring() -> None:
    assert deadlocked(Street(RING, {"b": 10.6}, {"b": 300.0})) == {"a", "b", "c"}


def test_the_first_of_a_queue_is_locked_where_its_route_needs_another_lane() -> None:
    queue = {"first": "", "second": "first", "elsewhere": ""}
    assert deadlocked(Street(queue, {}, {}, frozenset({"first", "second"}))) == {"first"}
    assert deadlocked(Street(queue, {}, {"first": 100.0}, frozenset({"first"}))) == frozenset()


def test_a_queue_has_no_ring() -> None:
    assert deadlocked(Street({"a": "b", "b": "c", "c": ""}, {}, {})) == frozenset()


def test_cologne3_locks_on_some_seeds_under_a_rule_as_well() -> None:
    scenario = load_scenario("cologne3")
    tasks = [(scenario, "actuated", seed) for seed in (39, 1)]
    runs = dict(
        run_tasks(run_one, tasks, jobs=2)
    )  # a process each, so that a seed is the same run every time
    assert [runs[number].figures["deadlocked"] for number in range(2)] == [5, 0]
    assert runs[0].figures["longest_stop_s"] > 600 > runs[1].figures["longest_stop_s"]
