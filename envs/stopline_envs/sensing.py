"""Detector readings from the simulation, for all junctions of a network at once.

Every zone is a set of lane pieces. The lanes are cut into cells in which the same zones hold a vehicle; one
look puts each vehicle into its cell, lane by lane or by one sweep over all vehicles, whichever takes fewer
calls now. The same look gives the truth that rewards use; policies never see that.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from stopline_envs.plans import LaneSegment, PlanSet
from stopline_envs.plans.zones import approach_lanes_of
from stopline_envs.simulation import fast_call
from stopline_envs.snapshot import DetectorRow, Snapshot, Traffic
from stopline_signals.detectors import QUEUED_BELOW_MPS
from stopline_signals.plan import DetectorKind

__all__ = ["Sensors", "Snapshot", "Traffic", "approach_lanes"]

LEAVING = -1
"""Slot of lane pieces past a junction."""
LEAVING_M = 50.0
"""Length of those."""
APPROACH = -2
"""Slot of lane pieces that lead to a junction."""


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
        self._calls = _fast_calls()
        detectors = [plan_set.plans[name].detectors for name in junctions]
        self.row = DetectorRow(detectors)
        self._buttons: list[_Button] = []
        self._entrances: dict[str, list[int]] = {}
        pieces: dict[str, list[_Piece]] = {}
        slot = 0
        for number, name in enumerate(junctions):
            for detector in detectors[number]:
                zone = plan_set.zones[name, detector.name]
                if detector.kind is DetectorKind.BUTTON:
                    self._buttons.append(_button(slot, zone))
                for segment in () if detector.kind is DetectorKind.BUTTON else zone:
                    piece = _Piece(segment.start, segment.end, slot, number)
                    pieces.setdefault(segment.lane, []).append(piece)
                slot += 1
            for lane in _exits(plan_set, name) if wide else ():
                pieces.setdefault(lane, []).append(_Piece(0.0, LEAVING_M, LEAVING, number))
            for lane in approach_lanes(plan_set, name) if wide else ():
                length = plan_set.network.lanes[lane].length
                pieces.setdefault(lane, []).append(_Piece(0.0, length, APPROACH, number))
                if not plan_set.network.entering.get(lane):
                    self._entrances.setdefault(lane, []).append(number)
        self._cells = _Cells()
        self._lanes = {
            lane: self._cells.lay_out(found, plan_set.network.lanes[lane].speed)
            for lane, found in pieces.items()
        }

    def look(self) -> Snapshot:
        """Read every detector now."""
        cells, speeds = self._vehicles()
        # Plain lists: a hundred vehicles are too few for numpy, whose calls are slow where each is made
        # once between two stretches of simulation.
        vehicles, queued = [0] * len(self.row.detectors), [0] * len(self.row.detectors)
        slots_of = self._cells.slots
        for cell, speed in zip(cells, speeds, strict=True):
            for slot in slots_of[cell]:
                vehicles[slot] += 1
                if speed < QUEUED_BELOW_MPS:
                    queued[slot] += 1
        for slot in self._buttons_pressed() if self._buttons else ():
            vehicles[slot] = 1
        waiting = self._waiting_outside() if self._entrances else None
        return Snapshot(
            self.row,
            np.array(vehicles, np.int64),
            np.array(queued, np.int64),
            lambda: self._truth(cells, speeds, waiting),
        )

    def _vehicles(self) -> tuple[list[int], list[float]]:
        """Cell and speed of every vehicle on a lane that counts."""
        position_of, speed_of, lane_of, ids, count_all, on_lane = self._calls
        cells: list[int] = []
        speeds: list[float] = []
        lanes = self._lanes
        if count_all() < len(lanes):
            for name in ids():
                layout = lanes.get(lane_of(name))
                if layout is not None:
                    cells.append(layout[0] + bisect_left(layout[1], position_of(name)))
                    speeds.append(speed_of(name))
        else:
            for lane, (first, bounds) in lanes.items():
                for name in on_lane(lane):
                    cells.append(first + bisect_left(bounds, position_of(name)))
                    speeds.append(speed_of(name))
        return cells, speeds

    def _waiting_outside(self) -> list[float]:
        """Per junction the vehicles that wait to enter the network on its approaches."""
        waiting = [0.0] * len(self.row.firsts)
        for lane, numbers in self._entrances.items():
            found = len(self._libsumo.lane.getPendingVehicles(lane))
            for number in numbers:
                waiting[number] += found
        return waiting

    def _truth(self, cells: list[int], speeds: list[float], waiting: list[float] | None) -> list[Traffic]:
        towards, limits = self._cells.towards, self._cells.limits
        past, approached = self._cells.past, self._cells.approached
        count = len(self.row.firsts)
        vehicles, queued, leaving = [0] * count, [0] * count, [0] * count
        slowness, approach = [0.0] * count, [0.0] * count
        present: dict[int, int] = {}
        shares: dict[int, float] = {}
        for cell, speed in zip(cells, speeds, strict=True):
            share = speed / limits[cell]
            present[cell] = present.get(cell, 0) + 1
            shares[cell] = shares.get(cell, 0.0) + (share if share < 1.0 else 1.0)
            if speed < QUEUED_BELOW_MPS:
                for junction in towards[cell]:
                    queued[junction] += 1
        # In the order of the cells, so that sums do not depend on the way of looking.
        for cell in sorted(present):
            inside = present[cell]
            lost = inside - shares[cell]
            for junction in towards[cell]:
                vehicles[junction] += inside
                slowness[junction] += lost
            for junction in past[cell]:
                leaving[junction] += inside
            for junction in approached[cell]:
                approach[junction] += lost
        if waiting is not None:
            approach = [lost + outside for lost, outside in zip(approach, waiting, strict=True)]
        return list(map(Traffic, vehicles, queued, slowness, leaving, approach))

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


class _Cells:
    """Lanes cut into cells, numbered through; per cell who counts its vehicles."""

    def __init__(self) -> None:
        self.limits: list[float] = []
        self.slots: list[tuple[int, ...]] = []
        self.towards: list[tuple[int, ...]] = []
        self.past: list[tuple[int, ...]] = []
        self.approached: list[tuple[int, ...]] = []

    def lay_out(self, pieces: list[_Piece], limit: float) -> tuple[int, tuple[float, ...]]:
        """Cut a lane; the number of its first cell, and the bounds between its cells."""
        bounds = sorted({edge for piece in pieces for edge in (piece.start, piece.end)})
        first = len(self.limits)
        for low, high in zip([-1.0, *bounds], [*bounds, float("inf")], strict=True):
            inside = [piece for piece in pieces if piece.start <= low and high <= piece.end]
            self.limits.append(max(limit, 0.1))
            self.slots.append(_each(piece.slot for piece in inside if piece.slot >= 0))
            self.towards.append(_each(piece.junction for piece in inside if piece.slot >= 0))
            self.past.append(_each(piece.junction for piece in inside if piece.slot == LEAVING))
            self.approached.append(_each(piece.junction for piece in inside if piece.slot == APPROACH))
        return first, tuple(bounds)


def _each(numbers: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(numbers)))


def _fast_calls() -> tuple[Any, ...]:
    """The six calls of a look."""
    names = ("getLanePosition", "getSpeed", "getLaneID", "getIDList", "getIDCount")
    return (*(fast_call("vehicle", name) for name in names), fast_call("lane", "getLastStepVehicleIDs"))


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
