"""Rewards by name: figures of the traffic around one junction, summed up per decision.

A reward may use the simulator's truth; an observation never does. Names can be combined, as in
`"delay + 0.1 emissions"`. A package adds its own by an entry point of the group `stopline.rewards`:

    [project.entry-points."stopline.rewards"]
    fairness = "my_package.rewards:fairness"

where the object named is a function from an `Interval` to a number, or a `Reward` if it needs more figures.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple, cast

from stopline_envs.snapshot import Traffic
from stopline_envs.truth import Figure
from stopline_envs.weighted import Term, read_terms
from stopline_signals.errors import ScenarioError

GROUP = "stopline.rewards"
"""The entry-point group that third parties' rewards are found in."""
SCALE = 10.0
"""Vehicles standing still around a junction that make a reward of -1."""
LOST_SCALE = 100.0
"""Vehicle seconds of delay, built up or let go in one decision, that make a reward of -1 or 1."""
PERSON_SCALE = 20.0
"""People standing still that make a reward of -1."""
CO2_SCALE = 20.0
"""Grams of CO2 a second around a junction that make a reward of -1."""


class Interval(NamedTuple):
    """What a reward sees of one decision at one junction: the looks taken, and the last one before it."""

    looks: tuple[Traffic, ...]
    before: Traffic
    seconds: float


RewardFunction = Callable[[Interval], float]


@dataclass(frozen=True, slots=True)
class Reward:
    """A function of an interval, and the figures of `Traffic` it needs beyond those of every look."""

    function: RewardFunction
    figures: frozenset[Figure] = frozenset()


_rewards: dict[str, Reward] = {}


def register_reward(name: str, function: RewardFunction, *, figures: Collection[Figure] = ()) -> None:
    """Make a reward available under a name; an existing name is replaced.

    Figures cost more calls a look and are 0 where no reward asks for them. Register in a module that worker
    processes import too, as an entry point does, or use it in this process only.
    """
    _rewards[name] = Reward(function, frozenset(figures))


def find_reward(expression: str) -> Reward:
    """The reward of a name, or of a weighted sum of names; ScenarioError names the ones there are."""
    terms = read_terms(expression)
    parts = [(term.weight, _named(term)) for term in terms]
    figures = frozenset(figure for _, part in parts for figure in part.figures)
    if len(parts) == 1 and parts[0][0] == 1.0:
        return Reward(parts[0][1].function, figures)
    weighted = tuple((weight, part.function) for weight, part in parts)
    return Reward(lambda interval: sum(weight * own(interval) for weight, own in weighted), figures)


def reward_names() -> tuple[str, ...]:
    """All names: registered ones and those of installed packages."""
    return tuple(sorted({*_rewards, *_offered()}))


def slowness(interval: Interval) -> float:
    """Time lost per second by the vehicles in the zones, mean over the interval."""
    return -_mean([look.slowness for look in interval.looks]) / SCALE


def delay(interval: Interval) -> float:
    """Time lost per second on the whole approaches, mean over the interval.

    Unlike `slowness` it also sees the queue that reaches beyond the zones, and the vehicles that wait to
    enter the network: serving a saturated approach is worth what it should be.
    """
    return -_mean([look.approach for look in interval.looks]) / SCALE


def delay_difference(interval: Interval) -> float:
    """Delay that the vehicles on the approaches carry with them, before less after: what was let go.

    Positive when more delay leaves over the stop lines than builds up.
    """
    return (interval.before.lost_s - _last(interval).lost_s) / LOST_SCALE


def queue(interval: Interval) -> float:
    """Queued vehicles in the zones, mean over the interval."""
    return -_mean([float(look.queued) for look in interval.looks]) / SCALE


def pressure(interval: Interval) -> float:
    """Vehicles in the zones less those just past the junction, mean over the interval, never positive."""
    return -_mean([float(max(0, look.vehicles - look.leaving)) for look in interval.looks]) / SCALE


def throughput(interval: Interval) -> float:
    """Vehicles that left the approaches per second; positive.

    One that comes and goes between two looks is missed: `reward_every=1` misses none.
    """
    return (_last(interval).passed - interval.before.passed) / max(interval.seconds, 1.0)


def emissions(interval: Interval) -> float:
    """CO2 emitted per second on the approaches and in the junction, by SUMO's model; mean of the looks."""
    return -_mean([look.co2_g for look in interval.looks]) / CO2_SCALE


def person_delay(interval: Interval) -> float:
    """Time lost per second by people: in vehicles on the approaches, and standing at the kerb."""
    return -_mean([look.persons for look in interval.looks]) / PERSON_SCALE


def _last(interval: Interval) -> Traffic:
    return interval.looks[-1] if interval.looks else interval.before


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _named(term: Term) -> Reward:
    known = _rewards.get(term.name)
    if known is not None:
        return known
    offered = _offered().get(term.name)
    if offered is None:
        names = ", ".join(reward_names())
        raise ScenarioError(
            f"no reward {term.name!r}; there are: {names}; or a sum, as 'delay + 0.1 emissions'"
        )
    found = _loaded(offered)
    _rewards[term.name] = found
    return found


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _loaded(point: EntryPoint) -> Reward:
    source = (
        f"reward {point.name!r} of {point.dist.name if point.dist else 'an unnamed package'} ({point.value})"
    )
    try:
        found: object = point.load()
    except Exception as error:
        raise ScenarioError(
            f"{source} cannot be loaded: {error}; correct or uninstall that package"
        ) from error
    if isinstance(found, Reward):
        return found
    if not callable(found):
        raise ScenarioError(f"{source} is neither a function of an Interval nor a Reward")
    return Reward(cast("RewardFunction", found))


register_reward("slowness", slowness)
register_reward("delay", delay, figures=[Figure.APPROACH])
register_reward("delay-difference", delay_difference, figures=[Figure.LOST])
register_reward("queue", queue)
register_reward("pressure", pressure, figures=[Figure.LEAVING])
register_reward("throughput", throughput, figures=[Figure.PASSED])
register_reward("emissions", emissions, figures=[Figure.CO2])
register_reward("person-delay", person_delay, figures=[Figure.PERSONS])
