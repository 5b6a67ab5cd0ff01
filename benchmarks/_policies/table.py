"""From runs to the table: means with intervals, paired comparisons, and what the bar asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks._policies.runs import POLICY, Task
from stopline_agents.statistics import Estimate, estimate, paired_difference

RULES = (
    "fixed",
    "webster",
    "actuated",
    "max-pressure",
    "max-pressure-halting",
    "sotl",
    "greedy",
    "rate-index",
)
REFERENCES = ("greedy-oracle",)
"""Shown, never compared with: no street knows what they know."""
CONTROLLERS = (*RULES, *REFERENCES, POLICY)
GREEDY_MARGIN = 0.10
Runs = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The policy on one map against the rules."""

    best_rule: str
    against_best: Estimate
    """Delay of the policy less the best rule's, s, paired by seed."""
    below_greedy: float
    """Share of greedy's delay that the policy saves."""
    unserved: float
    unserved_actuated: float

    @property
    def not_worse(self) -> bool:
        """Not worse than the best rule: the interval of the difference reaches down to 0."""
        return self.against_best.low <= 0

    @property
    def served(self) -> bool:
        """No more vehicles left outside than under actuated control."""
        return self.unserved <= self.unserved_actuated


def values(runs: Runs, scenario: str, controller: str, seeds: Sequence[int], figure: str) -> list[float]:
    """A figure per seed."""
    return [runs[Task(scenario, controller, seed).key][figure] for seed in seeds]


def ran(runs: Runs, scenario: str, controller: str, seeds: Sequence[int]) -> bool:
    """Whether the controller could be run on the map at all."""
    return all(runs[Task(scenario, controller, seed).key] for seed in seeds)


def cell(runs: Runs, scenario: str, controller: str, seeds: Sequence[int]) -> dict[str, Any]:
    """What the result file says of one controller on one map; nothing where it could not be run."""
    if not ran(runs, scenario, controller, seeds):
        return {}

    def all_of(figure: str) -> list[float]:
        return values(runs, scenario, controller, seeds, figure)

    delay = estimate(all_of("delay_s"))
    return {
        "delay_s": delay.to_table(),
        "speed_mps": estimate(all_of("speed_mps")).to_table(),
        "travel_time_s": estimate(all_of("travel_time_s")).to_table(),
        "stops": estimate(all_of("stops")).mean,
        "unserved": max(all_of("unserved")),
        "longest_wait_s": max(all_of("longest_wait_s")),
        "longest_stop_s": max(all_of("longest_stop_s")),
        "locked_runs": sum(found > 0 for found in all_of("deadlocked")),
        "violations": sum(all_of("violations")),
    }


def verdict(row: Mapping[str, Mapping[str, Any]]) -> Verdict:
    """The policy against the rules on one map, from the cells of all of them."""
    able = {name: found for name, found in row.items() if found}
    means = {name: found["delay_s"]["mean"] for name, found in able.items()}
    best = min((name for name in RULES if name in able), key=means.__getitem__)
    delays = {name: able[name]["delay_s"]["per_seed"] for name in (POLICY, best)}
    return Verdict(
        best,
        paired_difference(delays[POLICY], delays[best]),
        1 - means[POLICY] / means["greedy"],
        able[POLICY]["unserved"],
        able["actuated"]["unserved"],
    )


def bar(verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    """What the bar asks, counted over the maps."""
    return {
        "maps": len(verdicts),
        "not_worse_than_best_rule": sum(v.not_worse for v in verdicts.values()),
        "at_least_10_percent_below_greedy": sum(v.below_greedy >= GREEDY_MARGIN for v in verdicts.values()),
        "no_more_unserved_than_actuated": sum(v.served for v in verdicts.values()),
    }
