"""The conflict monitor's card for one signal, from the network's right of way alone.

Nothing here comes from the signal plan or from the code that computes its clearances,
so that each is a check on the other: yellow by a table over speed, clearance by the straight lines from stop
line to exit and where they cross. The card's times are lower bounds.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence

from stopline_envs.plans.movements import Movement, SignalMovements
from stopline_envs.plans.net import Network, Point, Program
from stopline_mmu import Card, Channel, Lamp, Monitor, lamps_from_letters
from stopline_signals.plan import GroupKind

YELLOW_BY_SPEED = ((14.0, 30), (16.7, 32), (19.5, 37), (22.3, 41), (25.0, 46), (math.inf, 50))
"""Least yellow (tenths) up to an approach speed in m/s."""
MIN_ALL_RED = 10
MIN_GREEN = 40
MIN_WALK = 40
CYCLIST_MPS = 5.0
WALKER_MPS = 1.5
SLOWEST_ENTRY_MPS = 11.1
DETOUR = 1.15
STRAIGHT_LINE_TENTHS = 5
"""What a straight line may be wrong by where the way bends a little."""
HEAD_ON_DEGREES = 140.0
"""Two approaches that meet at a wider angle than this face each other."""


class LampWatch:
    """A conflict monitor on one signal of the simulation.

    Links that the network itself never tells apart (same approach, same foes, always the same lamp in its own
    program) share a channel; if they ever show different lamps, the channel shows a double indication.
    """

    def __init__(self, network: Network, signal: SignalMovements, program: Program) -> None:
        """Program the card from the network's right of way; `program` only says which links go together."""
        self.channels = _channels(signal, program)
        self.monitor = Monitor(card_of(network, signal, self.channels))
        self._seen: dict[str, tuple[Lamp, ...]] = {}

    def twin(self) -> LampWatch:
        """Another one on the same signal, shown nothing yet; see `Monitor.twin`."""
        other = copy.copy(self)
        other.monitor = self.monitor.twin()
        return other

    def observe(self, now: int, letters: str) -> int:
        """Judge the lamps shown from `now` (s) on; how many new violations there are."""
        lamps = self._seen.get(letters)
        if lamps is None:
            each = lamps_from_letters(letters)
            lamps = self._seen[letters] = tuple(
                _common([each[link] for link in links]) for links in self.channels
            )
        return len(self.monitor.observe(now * 10, lamps))


def card_of(network: Network, signal: SignalMovements, channels: Sequence[Sequence[int]]) -> Card:
    """A card with one channel per tuple of links; pairs that do not cross are compatible."""
    at = [
        [index for index, movement in enumerate(signal.movements) if movement.link in links]
        for links in channels
    ]
    foes = {pair: found for pair in _pairs(len(channels)) if (found := _foes(signal, at, *pair))}
    waits = signal.gives_way
    return Card(
        channels=tuple(
            _channel(network, links, [signal.movements[i] for i in at[number]])
            for number, links in enumerate(channels)
        ),
        compatible=frozenset(pair for pair in _pairs(len(channels)) if pair not in foes),
        yields=frozenset(pair for pair, found in foes.items() if all(waits[i][j] for i, j in found)),
        oncoming=frozenset(pair for pair, found in foes.items() if _turns_across(network, signal, found)),
        clearance={
            pair: max(_clearance(network, signal.movements[i], signal.movements[j]) for i, j in found)
            for pair, found in foes.items()
        },
    )


def _channels(signal: SignalMovements, program: Program) -> tuple[tuple[int, ...], ...]:
    """Links that share a channel; every link of the state has one."""
    alike: dict[object, list[int]] = {}
    for link in range(len(program.phases[0].state)):
        own = [index for index, movement in enumerate(signal.movements) if link == movement.link]
        rows = tuple((signal.foes[index], signal.gives_way[index]) for index in own)
        approaches = tuple(sorted({signal.movements[index].approach for index in own}))
        column = "".join(phase.state[link] for phase in program.phases)
        alike.setdefault((approaches, rows, column) if own else link, []).append(link)
    return tuple(tuple(links) for links in alike.values())


def _common(lamps: Sequence[Lamp]) -> Lamp:
    return lamps[0] if len(set(lamps)) == 1 else Lamp.DUAL


def _pairs(links: int) -> Iterator[tuple[int, int]]:
    return ((i, j) for i in range(links) for j in range(links) if i != j)


def _foes(
    signal: SignalMovements, at: Sequence[Sequence[int]], first: int, second: int
) -> list[tuple[int, int]]:
    return [(i, j) for i in at[first] for j in at[second] if signal.foes[i][j]]


def _turns_across(network: Network, signal: SignalMovements, found: Sequence[tuple[int, int]]) -> bool:
    """Whether a turn on the first link gives way to traffic that comes straight towards it."""
    for i, j in found:
        turn, other = signal.movements[i], signal.movements[j]
        vehicles = GroupKind.PEDESTRIAN not in (turn.kind, other.kind)
        if vehicles and turn.turns and not other.turns and signal.gives_way[i][j]:
            angle = _heading(network, turn) - _heading(network, other)
            if math.cos(angle) < math.cos(math.radians(HEAD_ON_DEGREES)):
                return True
    return False


def _heading(network: Network, movement: Movement) -> float:
    (ax, ay), (bx, by) = network.lanes[movement.connection.source].shape[-2:]
    return math.atan2(by - ay, bx - ax)


def _channel(network: Network, links: Sequence[int], movements: Sequence[Movement]) -> Channel:
    link = "+".join(map(str, links))
    drivers = [m for m in movements if m.kind is not GroupKind.PEDESTRIAN]
    names = "+".join(dict.fromkeys(movement.approach for movement in movements))
    if movements and not drivers:
        return Channel(name=f"{link}:{names}", pedestrian=True, min_green=MIN_WALK, min_change=0)
    yellow = max((_yellow(network, movement) for movement in drivers), default=0)
    return Channel(name=f"{link}:{names}", min_green=MIN_GREEN, min_change=yellow)


def _speed(network: Network, movement: Movement) -> float:
    limit = network.lanes[movement.connection.source].speed
    return min(limit, CYCLIST_MPS) if movement.kind is GroupKind.CYCLIST else limit


def _yellow(network: Network, movement: Movement) -> int:
    speed = _speed(network, movement)
    return next(yellow for limit, yellow in YELLOW_BY_SPEED if speed <= limit)


def _clearance(network: Network, ending: Movement, starting: Movement) -> int:
    """Least tenths from the end of one movement's green to the start of the other's."""
    if ending.kind is GroupKind.PEDESTRIAN:
        crossing = network.lanes[ending.connection.target].shape
        return math.floor(10 * math.dist(crossing[0], crossing[-1]) / WALKER_MPS)
    chord, other = _chord(network, ending), _chord(network, starting)
    roundabout = any(_detours(*pair) for pair in ((ending, chord), (starting, other)))
    point = None if roundabout else _crossing(chord, other)
    red = MIN_ALL_RED
    if point is not None:
        leave = math.dist(chord[0], point) / max(_speed(network, ending), 1.0)
        enter = math.dist(other[0], point) / max(_speed(network, starting), SLOWEST_ENTRY_MPS)
        head_start = enter if starting.kind in (GroupKind.VEHICLE, GroupKind.TRANSIT) else 0.0
        red = max(red, math.floor(10 * (leave - head_start)) - STRAIGHT_LINE_TENTHS)
    return _yellow(network, ending) + red


def _detours(movement: Movement, chord: tuple[Point, Point]) -> bool:
    """Whether a straight line says nothing about the way, as for a left turn in two steps."""
    return movement.partial or movement.way.length > DETOUR * math.dist(*chord)


def _chord(network: Network, movement: Movement) -> tuple[Point, Point]:
    """The straight line from stop line to exit, or along the crossing."""
    lanes = network.lanes
    if movement.kind is GroupKind.PEDESTRIAN:
        shape = lanes[movement.connection.target].shape
        return shape[0], shape[-1]
    return lanes[movement.connection.source].shape[-1], lanes[movement.connection.target].shape[0]


def _crossing(first: tuple[Point, Point], second: tuple[Point, Point]) -> Point | None:
    """Where two line segments cross, None when they do not."""
    (ax, ay), (bx, by) = first
    (cx, cy), (dx, dy) = second
    area = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx)
    if abs(area) < 1e-9:
        return None
    t = ((cx - ax) * (dy - cy) - (cy - ay) * (dx - cx)) / area
    u = ((cx - ax) * (by - ay) - (cy - ay) * (bx - ax)) / area
    return (ax + t * (bx - ax), ay + t * (by - ay)) if 0 <= t <= 1 and 0 <= u <= 1 else None
