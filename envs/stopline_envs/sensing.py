"""Detector readings from the simulation, for all junctions of a network at once.

Every zone is a set of lane pieces. The lanes are cut into cells in which the same zones hold a vehicle; one
look puts each vehicle into its cell, lane by lane or by one sweep over all vehicles, whichever takes fewer
calls now. The same look gives the slowness that rewards use; policies never see that figure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from stopline_envs.plans import LaneSegment, PlanSet
from stopline_envs.plans.zones import NEAR_ZONE_M, approach_lanes_of
from stopline_signals.detectors import NOTHING, QUEUED_BELOW_MPS, DetectorReading
from stopline_signals.plan import DetectorKind

LEAVING = -1
"""Slot of lane pieces past a junction."""
APPROACH = -2
"""Slot of lane pieces that lead to a junction."""


class Traffic(NamedTuple):
    """Ground truth around one junction, for rewards only: vehicles in its zones, queued ones, slowness.

    Slowness is the sum over vehicles of 1 - speed / speed limit: the time lost per second.
    """

    vehicles: int = 0
    queued: int = 0
    slowness: float = 0.0
    leaving: int = 0
    """Vehicles on the first 50 m past the junction; counted only where a reward asks for it."""
    approach: float = 0.0
    """Slowness on the whole approaches up to the signals before, those waiting to enter the network counted
    as standing; counted only where a reward asks for it."""


class Snapshot(NamedTuple):
    """One look at the network: per junction its detector readings and its traffic, in the sensors' order."""

    readings: list[tuple[DetectorReading, ...]]
    traffic: list[Traffic]


class _Lane(NamedTuple):
    """The cells of a lane: number of the first, and the bounds between them."""

    first: int
    bounds: tuple[float, ...]
    limit: float


class _Cell(NamedTuple):
    """Who counts the vehicles of a cell: detector slots, junctions ahead, junctions behind."""

    slots: tuple[int, ...]
    junctions: tuple[int, ...]
    leaving: tuple[int, ...]
    approached: tuple[int, ...]
    limit: float


class _Button(NamedTuple):
    slot: int
    edges: tuple[str, ...]
    crossing: str


class _Piece(NamedTuple):
    """A lane piece and what it counts for: a detector's slot, or one of the figures for rewards."""

    start: float
    end: float
    slot: int
    junction: int


class Sensors:
    """Reads the detectors of some junctions; `libsumo` must hold their simulation."""

    def __init__(
        self, plan_set: PlanSet, junctions: Sequence[str], libsumo: Any, *, wide: bool = False
    ) -> None:
        """Lay the zones of the junctions' plans out on lanes.

        `wide` also counts past the junctions and on the whole approaches.
        """
        self._libsumo = libsumo
        self._calls = _fast_calls(libsumo)
        self._detectors = [plan_set.plans[name].detectors for name in junctions]
        self._firsts: list[int] = []
        self._buttons: list[_Button] = []
        self._entrances: dict[str, list[int]] = {}
        pieces: dict[str, list[_Piece]] = {}
        slot = 0
        for number, name in enumerate(junctions):
            self._firsts.append(slot)
            for detector in self._detectors[number]:
                zone = plan_set.zones[name, detector.name]
                if detector.kind is DetectorKind.BUTTON:
                    self._buttons.append(_button(slot, zone))
                for segment in () if detector.kind is DetectorKind.BUTTON else zone:
                    piece = _Piece(segment.start, segment.end, slot, number)
                    pieces.setdefault(segment.lane, []).append(piece)
                slot += 1
            for lane in _exits(plan_set, name) if wide else ():
                pieces.setdefault(lane, []).append(_Piece(0.0, NEAR_ZONE_M[1], LEAVING, number))
            for lane in approach_lanes(plan_set, name) if wide else ():
                length = plan_set.network.lanes[lane].length
                pieces.setdefault(lane, []).append(_Piece(0.0, length, APPROACH, number))
                if not plan_set.network.entering.get(lane):
                    self._entrances.setdefault(lane, []).append(number)
        self._slots = slot
        self._cells: list[_Cell] = []
        self._lanes = {
            lane: self._lay_out(found, plan_set.network.lanes[lane].speed) for lane, found in pieces.items()
        }

    def look(self) -> Snapshot:
        """Read every detector now."""
        counts, stopped, speeds = self._fill_cells()
        vehicles, queued = [0] * self._slots, [0] * self._slots
        truth = [[0, 0, 0.0, 0, 0.0] for _ in self._detectors]
        for cell, count in enumerate(counts):
            if count:
                slots, junctions, leaving, approached, limit = self._cells[cell]
                for slot in slots:
                    vehicles[slot] += count
                    queued[slot] += stopped[cell]
                for number in junctions:
                    row = truth[number]
                    row[0] += count
                    row[1] += stopped[cell]
                    row[2] += count - speeds[cell] / limit
                for number in leaving:
                    truth[number][3] += count
                for number in approached:
                    truth[number][4] += count - speeds[cell] / limit
        for lane, numbers in self._entrances.items():
            waiting = len(self._libsumo.lane.getPendingVehicles(lane))
            for number in numbers:
                truth[number][4] += waiting
        for slot in self._buttons_pressed():
            vehicles[slot] = 1
        return Snapshot(
            [self._readings(number, vehicles, queued) for number in range(len(self._detectors))],
            [Traffic(int(row[0]), int(row[1]), row[2], int(row[3]), row[4]) for row in truth],
        )

    def _fill_cells(self) -> tuple[list[int], list[int], list[float]]:
        """Per cell: vehicles, queued ones, and the sum of their speeds up to the limit."""
        position_of, speed_of, lane_of, ids, count_all, on_lane = self._calls
        cells = len(self._cells)
        counts, stopped, speeds = [0] * cells, [0] * cells, [0.0] * cells
        lanes = self._lanes
        if count_all() < len(lanes):
            vehicles = ((lanes.get(lane_of(name)), name) for name in ids())
        else:
            vehicles = ((layout, name) for lane, layout in lanes.items() for name in on_lane(lane))
        for layout, name in vehicles:
            if layout is None:
                continue
            first, bounds, limit = layout
            cell = first + bisect_left(bounds, position_of(name))
            speed = speed_of(name)
            counts[cell] += 1
            if speed < QUEUED_BELOW_MPS:
                stopped[cell] += 1
            speeds[cell] += speed if speed < limit else limit
        return counts, stopped, speeds

    def _readings(self, number: int, vehicles: list[int], queued: list[int]) -> tuple[DetectorReading, ...]:
        first = self._firsts[number]
        slots = range(first, first + len(self._detectors[number]))
        return tuple([DetectorReading(vehicles[s], queued[s]) if vehicles[s] else NOTHING for s in slots])

    def _buttons_pressed(self) -> Iterable[int]:
        """Slots of the buttons at which somebody now waits to cross."""
        person = self._libsumo.person
        if not self._buttons or not person.getIDCount():
            return
        on_edge = self._libsumo.edge.getLastStepPersonIDs
        heading: dict[str, set[str]] = {}
        for button in self._buttons:
            for edge in button.edges:
                if edge not in heading:
                    heading[edge] = {person.getNextEdge(name) for name in on_edge(edge)}
                if button.crossing in heading[edge]:
                    yield button.slot
                    break

    def _lay_out(self, pieces: list[_Piece], limit: float) -> _Lane:
        limit = max(limit, 0.1)
        bounds = sorted({edge for piece in pieces for edge in (piece.start, piece.end)})
        first = len(self._cells)
        for low, high in zip([-1.0, *bounds], [*bounds, float("inf")], strict=True):
            inside = [piece for piece in pieces if piece.start <= low and high <= piece.end]
            towards = {piece.junction for piece in inside if piece.slot >= 0}
            past = {piece.junction for piece in inside if piece.slot == LEAVING}
            approached = {piece.junction for piece in inside if piece.slot == APPROACH}
            slots = tuple(piece.slot for piece in inside if piece.slot >= 0)
            self._cells.append(
                _Cell(slots, tuple(sorted(towards)), tuple(sorted(past)), tuple(sorted(approached)), limit)
            )
        return _Lane(first, tuple(bounds), limit)


def _fast_calls(libsumo: Any) -> tuple[Any, ...]:
    """The six calls of a look, without libsumo's Python layer where its compiled module has them (-35 %)."""
    names = ("getLanePosition", "getSpeed", "getLaneID", "getIDList", "getIDCount")
    compiled = getattr(libsumo, "_libsumo", None)
    calls = [getattr(compiled, f"vehicle_{name}", None) or getattr(libsumo.vehicle, name) for name in names]
    on_lane = getattr(compiled, "lane_getLastStepVehicleIDs", None) or libsumo.lane.getLastStepVehicleIDs
    return (*calls, on_lane)


def _exits(plan_set: PlanSet, name: str) -> list[str]:
    """Lanes onto which the junction's vehicle movements lead."""
    lanes = plan_set.network.lanes
    targets = [movement.connection.target for movement in plan_set.movements[name].movements]
    return [lane for lane in dict.fromkeys(targets) if lane in lanes and not lane.startswith(":")]


def approach_lanes(plan_set: PlanSet, name: str) -> list[str]:
    """Lanes that lead to the junction's vehicle stop lines, up to the signals before or APPROACH_M."""
    return approach_lanes_of(plan_set.network, plan_set.movements[name].movements)


def _button(slot: int, zone: Sequence[LaneSegment]) -> _Button:
    edges = tuple(segment.lane.rpartition("_")[0] for segment in zone)
    return _Button(slot, edges, zone[0].crossing if zone else "")
