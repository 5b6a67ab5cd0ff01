"""The movements of one signal and their right of way, read from the junctions the signal controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from stopline_envs.plans.net import Connection, Junction, Network, Request
from stopline_envs.plans.paths import Way, meet, path_of
from stopline_signals.errors import NetworkError
from stopline_signals.plan import GroupKind

RAIL = frozenset({"tram", "rail_urban", "rail", "rail_electric", "rail_fast", "subway", "cable_car"})
NOT_DRIVING = frozenset({"pedestrian", "wheelchair"})
TURNS = frozenset("lrLRt")

Place = tuple[str, int]
"""A junction and one of its links, as its right-of-way rows count them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One connection under a signal, from the stop line its `link` (a state character) controls.

    A movement that a second signal stops inside the junction (a cyclist's left turn in two steps) is two
    movements with one place in the right of way; each is `partial`.
    """

    connection: Connection
    kind: GroupKind
    approach: str
    """Incoming edge, or the crossing itself for pedestrians."""
    link: int
    place: Place | None
    way: Way
    partial: bool = False

    @property
    def turns(self) -> bool:
        """Whether the movement is a left, right or U turn."""
        return self.connection.direction in TURNS


class RightOfWay:
    """Who crosses whom and who gives way, for every junction link of a network."""

    def __init__(self, network: Network) -> None:
        """Number the links of every junction as netconvert does; NetworkError where the rows do not fit."""
        self._network = network
        self._requests: dict[str, tuple[Request, ...]] = {}
        self._places: dict[tuple[str, str], Place] = {}
        for junction in network.junctions.values():
            self._number(junction)

    def place(self, connection: Connection) -> Place | None:
        """Where a connection stands in its junction's rows; None for one inside a junction."""
        return self._places.get((connection.source, connection.target))

    def foes(self, first: Place, second: Place) -> bool:
        """Whether two links of the same junction cross or merge."""
        return first[0] == second[0] and bool(self._request(first).foes >> second[1] & 1)

    def gives_way(self, first: Place, second: Place) -> bool:
        """Whether the first link, when it is permissive, waits for the second."""
        return first[0] == second[0] and bool(self._request(first).response >> second[1] & 1)

    def _request(self, place: Place) -> Request:
        return self._requests[place[0]][place[1]]

    def _number(self, junction: Junction) -> None:
        if not junction.requests:
            return
        index = 0
        for lane in dict.fromkeys(junction.incoming):
            for connection in self._network.leaving.get(lane, ()):
                if self._counts(connection):
                    self._places[connection.source, connection.target] = (junction.id, index)
                    index += 1
        if index != len(junction.requests):
            raise NetworkError(
                f"{self._network.path}: junction {junction.id!r} has {index} links but "
                f"{len(junction.requests)} right-of-way rows; make the network anew with netconvert"
            )
        self._requests[junction.id] = junction.requests

    def _counts(self, connection: Connection) -> bool:
        """SUMO gives no row to links into walking areas, or from them to anything but a crossing."""
        source, target = (self._function(lane) for lane in (connection.source, connection.target))
        return target != "walkingarea" and (source != "walkingarea" or target == "crossing")

    def _function(self, lane: str) -> str:
        return self._network.edges.get(lane.rpartition("_")[0], ("normal", ""))[0]


def movements_of(network: Network, right_of_way: RightOfWay) -> dict[str, tuple[Movement, ...]]:
    """Movements per signal, ordered by link index."""
    origins = _origins(network)
    found: dict[str, list[Movement]] = {}
    for connection in network.connections:
        if connection.tls:
            origin = origins.get(connection.source, connection)
            movement = _movement(network, right_of_way, connection, origin)
            found.setdefault(connection.tls, []).append(movement)
    return {tls: tuple(sorted(rows, key=lambda row: row.link)) for tls, rows in found.items()}


class SignalMovements:
    """The movements of one signal with their conflicts as matrices (index = position in `movements`)."""

    def __init__(self, tls: str, movements: Sequence[Movement], right_of_way: RightOfWay) -> None:
        """Bind the movements to the network's right of way."""
        self.tls = tls
        self.movements = tuple(movements)
        self._right_of_way = right_of_way

    @cached_property
    def foes(self) -> tuple[tuple[bool, ...], ...]:
        """True where two movements cross or merge, by either one's row."""
        one_way = self._matrix(self._right_of_way.foes)
        count = range(len(self.movements))
        return tuple(
            tuple((one_way[i][j] or one_way[j][i]) and self._meet(i, j) for j in count) for i in count
        )

    @cached_property
    def gives_way(self) -> tuple[tuple[bool, ...], ...]:
        """True where the row's movement waits for the column's when it is permissive."""
        return self._matrix(self._right_of_way.gives_way)

    def _meet(self, first: int, second: int) -> bool:
        """Half a movement has only the foes that its own half meets."""
        one, other = self.movements[first], self.movements[second]
        return not (one.partial or other.partial) or meet(one.way, other.way)

    def _matrix(self, holds: Callable[[Place, Place], bool]) -> tuple[tuple[bool, ...], ...]:
        return tuple(
            tuple(
                first is not second
                and first.place is not None
                and second.place is not None
                and first.place != second.place
                and holds(first.place, second.place)
                for second in self.movements
            )
            for first in self.movements
        )


def _movement(
    network: Network, right_of_way: RightOfWay, connection: Connection, origin: Connection
) -> Movement:
    kind = _kind(network, connection)
    approach = connection.target if kind is GroupKind.PEDESTRIAN else origin.source
    return Movement(
        connection=connection,
        kind=kind,
        approach=approach.rpartition("_")[0],
        link=connection.link,
        place=right_of_way.place(origin),
        way=path_of(network, connection, kind),
        partial=connection.inner_link >= 0 or origin is not connection,
    )


def _kind(network: Network, connection: Connection) -> GroupKind:
    if network.edges.get(connection.target.rpartition("_")[0], ("", ""))[0] == "crossing":
        return GroupKind.PEDESTRIAN
    classes: frozenset[str] | None = None
    for name in (connection.source, connection.via, connection.target):
        lane = network.lanes.get(name)
        if lane is not None and lane.classes is not None:
            classes = lane.classes if classes is None else classes & lane.classes
    driving = None if classes is None else classes - NOT_DRIVING
    if driving and driving <= RAIL:
        return GroupKind.TRANSIT
    if driving and driving <= {"bicycle", "scooter"}:
        return GroupKind.CYCLIST
    return GroupKind.VEHICLE


def _origins(network: Network) -> dict[str, Connection]:
    """Internal lane -> the connection whose traffic uses it."""
    origins: dict[str, Connection] = {}
    for connection in network.connections:
        if connection.source.startswith(":"):
            continue
        lane = connection.via
        while lane and lane not in origins:
            origins[lane] = connection
            lane = next((following.via for following in network.leaving.get(lane, ())), "")
    return origins
