"""Neighbour information: what the next signals up and down the road show and hold, as an extra block.

Off by default: the observation is then the encoder's alone, bit for bit. With `SlotSettings.neighbours` each
row is followed by one row of features per neighbour, nearest first, zero where there is none. It holds only
what a neighbour's own detectors and lamps tell, so a controller at the kerb can be told the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stopline_envs.network import NetworkRun, plans_of
from stopline_envs.plans import PlanSet
from stopline_envs.plans.net import Network
from stopline_envs.scenario import Scenario
from stopline_envs.slots import Masks, Observations, SlotRun, SlotSettings
from stopline_signals.observation import ROW_FEATURES, ObservationLayout

NEIGHBOUR_FEATURES = (
    "exists",  # 1 for a neighbour whose figures are known
    "distance",  # metres of road between the two stop lines / 500, at most 2
    "upstream",  # 1 if its traffic can come here without meeting another signal
    "downstream",  # 1 if traffic from here can reach it so
    "coming_green",  # best lamp of its groups that lead here: 1 protected, 0.5 permissive, 0 red or yellow
    "coming_vehicles",  # vehicles in the zones of those groups / 20, at most 3
    "onward_queued",  # most queued vehicles per lane, near and far / 10, of its groups that come from here
    "waited",  # largest waited of its groups, as in its own rows
)
REACH_M = 1000.0
"""Signals further apart than this are no neighbours."""


class Neighbour(NamedTuple):
    """A signal near another one: metres away, its groups that lead there, and those that come from there."""

    name: str
    distance_m: float
    coming: tuple[int, ...]
    onward: tuple[int, ...]


def neighbours_of(plan_set: PlanSet) -> dict[str, tuple[Neighbour, ...]]:
    """The neighbours of every signal, nearest first."""
    ways: dict[tuple[str, str], float] = {}
    leading: dict[tuple[str, str], set[int]] = {}
    from_here: dict[tuple[str, str], set[int]] = {}
    for start in plan_set.plans:
        for group, lane in _exits(plan_set, start):
            for end, approach, metres in _downstream(plan_set.network, lane):
                if end != start and end in plan_set.plans:
                    pair = start, end
                    ways[pair] = min(metres, ways.get(pair, metres))
                    leading.setdefault(pair, set()).add(group)
                    from_here.setdefault(pair, set()).update(_groups_of_lane(plan_set, end, approach))
    found: dict[str, list[Neighbour]] = {name: [] for name in plan_set.plans}
    for here in plan_set.plans:
        for other in {b if a == here else a for a, b in ways if here in (a, b)}:
            to, back = (other, here), (here, other)
            metres = min(ways[pair] for pair in (to, back) if pair in ways)
            coming, onward = leading.get(to, ()), from_here.get(back, ())
            found[here].append(Neighbour(other, metres, tuple(sorted(coming)), tuple(sorted(onward))))
    return {name: tuple(sorted(own, key=lambda n: (n.distance_m, n.name))) for name, own in found.items()}


def observation_size(settings: SlotSettings) -> int:
    """Length of an observation under these settings: the encoder's, and the neighbours' block if any."""
    layout = ObservationLayout(settings.max_groups, settings.max_stages)
    return layout.size + settings.neighbours * len(NEIGHBOUR_FEATURES)


def slot_run(scenario: Scenario, settings: SlotSettings) -> SlotRun | NeighbourRun:
    """The slots of a scenario, with neighbours if the settings ask for them."""
    return NeighbourRun(scenario, settings) if settings.neighbours else SlotRun(scenario, settings)


class NeighbourRun:
    """Slots that also see their neighbours.

    Neighbours that nobody acts on are run by their plan's fixed program, so that their lamps and detectors
    are known.
    """

    def __init__(self, scenario: Scenario, settings: SlotSettings) -> None:
        """Prepare; SUMO starts in `reset`."""
        plan_set = plans_of(scenario)
        acting = tuple(plan_set.plans) if settings.signals is None else settings.signals
        around, count = neighbours_of(plan_set), settings.neighbours
        near = [neighbour.name for name in acting for neighbour in around.get(name, ())[:count]]
        watched = tuple(dict.fromkeys(name for name in near if name not in acting))
        self._slots = SlotRun(scenario, replace(settings, signals=(*acting, *watched)))
        self.names = acting
        row = {name: number for number, name in enumerate(self._slots.names)}
        self._near = [[(row[n.name], n) for n in around[name][:count]] for name in acting]
        self._layout = ObservationLayout(settings.max_groups, settings.max_stages)
        self._count = count

    def reset(self, seed: int) -> tuple[Observations, Masks]:
        """Start an episode."""
        return self._with_neighbours(*self._slots.reset(seed))

    def step(self, stages: Sequence[int]) -> NDArray[np.float32]:
        """Ask each signal acted on for a stage and run one decision interval; the rewards."""
        program = self._slots.run.program_stages()
        return self._slots.step([*stages, *program[len(self.names) :]])[: len(self.names)]

    def observe(self) -> tuple[Observations, Masks]:
        """Observations with the neighbours' block, and the stages each signal may choose now."""
        return self._with_neighbours(*self._slots.observe())

    @property
    def done(self) -> bool:
        """Whether the episode is over."""
        return self._slots.done

    @property
    def run(self) -> NetworkRun:
        """The network under all of them."""
        return self._slots.run

    @property
    def slots(self) -> SlotRun:
        """The slots of the signals acted on, and after them of those only watched."""
        return self._slots

    def summary(self) -> dict[str, Any]:
        """What an episode's info says at its end."""
        return self._slots.summary()

    def close(self) -> None:
        """Stop SUMO."""
        self._slots.close()

    def _with_neighbours(self, observations: Observations, masks: Masks) -> tuple[Observations, Masks]:
        acting, width = len(self.names), len(NEIGHBOUR_FEATURES)
        block = np.zeros((acting, self._count, width), np.float32)
        rows = observations[:, self._layout.rows].reshape(len(observations), self._layout.max_groups, -1)
        for number, near in enumerate(self._near):
            for place, (row, neighbour) in enumerate(near):
                block[number, place] = _features(rows[row], neighbour)
        return np.hstack([observations[:acting], block.reshape(acting, -1)]), masks[:acting]


_AT = {name: number for number, name in enumerate(ROW_FEATURES)}


def _features(rows: NDArray[np.float32], neighbour: Neighbour) -> tuple[float, ...]:
    coming, onward = rows[list(neighbour.coming)], rows[list(neighbour.onward)]
    lamps = np.maximum(coming[:, _AT["protected"]], 0.5 * coming[:, _AT["permissive"]])
    vehicles = 14.0 * coming[:, _AT["near_total"]] + 20.0 * coming[:, _AT["far_total"]]
    queued = 7.0 * onward[:, _AT["near_queued"]] + 10.0 * onward[:, _AT["far_queued"]]
    return (
        1.0,
        min(neighbour.distance_m / 500.0, 2.0),
        float(bool(neighbour.coming)),
        float(bool(neighbour.onward)),
        float(lamps.max(initial=0.0)),
        min(float(vehicles.sum()) / 20.0, 3.0),
        float(queued.max(initial=0.0)) / 10.0,
        float(rows[:, _AT["waited"]].max()),
    )


def _exits(plan_set: PlanSet, name: str) -> Iterator[tuple[int, str]]:
    """Each group of vehicles with every lane that its movements lead onto."""
    group_of = {link: g for g, group in enumerate(plan_set.plans[name].groups) for link in group.links}
    for movement in plan_set.movements[name].movements:
        lane = movement.connection.target
        if movement.link in group_of and lane in plan_set.network.lanes and not lane.startswith(":"):
            yield group_of[movement.link], lane


def _downstream(network: Network, lane: str) -> Iterator[tuple[str, str, float]]:
    """Signals first met from the beginning of a lane: name, lane at the stop line, metres to it."""
    heap, seen = [(network.lanes[lane].length, lane)], set[str]()
    while heap:
        heap.sort()
        metres, here = heap.pop(0)
        if here in seen or metres > REACH_M:
            continue
        seen.add(here)
        for connection in network.leaving.get(here, ()):
            if connection.tls:
                yield connection.tls, here, metres
            elif connection.target in network.lanes:
                heap.append((metres + network.lanes[connection.target].length, connection.target))


def _groups_of_lane(plan_set: PlanSet, name: str, lane: str) -> set[int]:
    """Groups of a signal that a lane leads to."""
    links = {m.link for m in plan_set.movements[name].movements if m.connection.source == lane}
    groups = plan_set.plans[name].groups
    return {number for number, group in enumerate(groups) if links.intersection(group.links)}
