"""Rewards by name: figures of the traffic around one junction, summed up per decision.

A reward may use the simulator's truth; an observation never does. Each function gets the looks of one
decision interval and gives a number near -1..0 in ordinary traffic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stopline_envs.sensing import Traffic
from stopline_signals.errors import ScenarioError

RewardFunction = Callable[[Sequence[Traffic]], float]


SCALE = 10.0
"""Vehicles standing still around a junction that make a reward of -1."""

_rewards: dict[str, RewardFunction] = {}
_wide: set[str] = set()


def register_reward(name: str, function: RewardFunction, *, wide: bool = False) -> None:
    """Make a reward available under a name; an existing name is replaced.

    `wide` says that it uses `Traffic.leaving` or `Traffic.approach`, which cost more calls a look and are
    otherwise not counted.
    """
    _rewards[name] = function
    _wide.discard(name)
    if wide:
        _wide.add(name)


def looks_wide(name: str) -> bool:
    """Whether the reward of that name needs the traffic past the junction or on its whole approaches."""
    return name in _wide


def reward_function(name: str) -> RewardFunction:
    """The reward of that name; ScenarioError names the ones there are."""
    try:
        return _rewards[name]
    except KeyError:
        raise ScenarioError(f"no reward {name!r}; there are: {', '.join(sorted(_rewards))}") from None


def reward_names() -> tuple[str, ...]:
    """All registered names."""
    return tuple(sorted(_rewards))


def slowness(looks: Sequence[Traffic]) -> float:
    """Time lost per second by the vehicles in the zones, mean over the interval."""
    return -_mean([look.slowness for look in looks]) / SCALE


def delay(looks: Sequence[Traffic]) -> float:
    """Time lost per second on the whole approaches, mean over the interval.

    Unlike `slowness` it also sees the queue that reaches beyond the zones, and the vehicles that wait to
    enter the network: serving a saturated approach is worth what it should be.
    """
    return -_mean([look.approach for look in looks]) / SCALE


def queue(looks: Sequence[Traffic]) -> float:
    """Queued vehicles in the zones, mean over the interval."""
    return -_mean([float(look.queued) for look in looks]) / SCALE


def pressure(looks: Sequence[Traffic]) -> float:
    """Vehicles in the zones less those just past the junction, mean over the interval, never positive."""
    return -_mean([float(max(0, look.vehicles - look.leaving)) for look in looks]) / SCALE


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


register_reward("slowness", slowness)
register_reward("delay", delay, wide=True)
register_reward("queue", queue)
register_reward("pressure", pressure, wide=True)
