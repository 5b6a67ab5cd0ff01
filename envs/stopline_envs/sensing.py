"""Detector readings from the simulation, for all junctions of a network at once.

Every zone is a set of lane pieces. The lanes are cut into cells in which the same zones hold a vehicle; one
look puts each vehicle into its cell, lane by lane or by one sweep over all vehicles, whichever takes fewer
calls now. The same look gives the truth that rewards use; policies never see that.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from stopline_envs.plans import LaneSegment, PlanSet
from stopline_envs.plans.zones import approach_lanes_of
from stopline_envs.simulation import fast_call
from stopline_envs.snapshot import DetectorRow, Integers, Snapshot, Traffic
from stopline_signals.detectors import QUEUED_BELOW_MPS
from stopline_signals.plan import DetectorKind

__all__ = ["Sensors", "Snapshot", "Traffic", "approach_lanes"]

LEAVING = -1
"""Slot of lane pieces past a junction."""
LEAVING_M = 50.0
"""Length of those."""
APPROACH = -2
"""Slot of lane pieces that lead to a junction."""
Floats = NDArray[np.float64]


class _Pairs(NamedTuple):
    """Which cells count for which detector or junction: entry k adds cell `cells[k]` to `places[k]`."""

    cells: Integers
    places: Integers
    places_in_all: int

    def sums(self, per_cell: NDArray[Any]) -> Floats:
        # With weights bincount gives floats, whatever its stub says.
        return cast("Floats", np.bincount(self.places, per_cell[self.cells], self.places_in_all))


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
        self._wide = wide
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
        cells = _Cells()
        self._lanes = {
            lane: cells.lay_out(found, plan_set.network.lanes[lane].speed) for lane, found in pieces.items()
        }
        self._limits: Floats = np.asarray(cells.limits, dtype=np.float64)
        self._in_slot = cells.pairs(cells.slots, slot)
        self._towards, self._past, self._approached = (
            cells.pairs(counted, len(detectors)) for counted in (cells.towards, cells.past, cells.approached)
        )

    def look(self) -> Snapshot:
        """Read every detector now."""
        where, how_fast = self._vehicles()
        cells: Integers = np.array(where, np.int64)
        speeds: Floats = np.array(how_fast, np.float64)
        count = len(self._limits)
        # One count for both: the cells of queued vehicles are numbered on past all cells.
        counted = np.bincount(cells + count * (speeds < QUEUED_BELOW_MPS), minlength=2 * count)
        standing = counted[count:]
        present = counted[:count] + standing
        vehicles = self._in_slot.sums(present).astype(np.int64)
        if self._buttons:
            for slot in self._buttons_pressed():
                vehicles[slot] = 1
        waiting = self._waiting_outside() if self._entrances else None
        return Snapshot(
            self.row,
            vehicles,
            self._in_slot.sums(standing).astype(np.int64),
            lambda: self._truth(present, standing, cells, speeds, waiting),
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

    def _truth(
        self,
        present: Integers,
        standing: Integers,
        cells: Integers,
        speeds: Floats,
        waiting: list[float] | None,
    ) -> list[Traffic]:
        share = np.minimum(speeds / self._limits[cells], 1.0)
        lost = present - np.bincount(cells, share, len(self._limits))
        columns = [
            self._towards.sums(present).astype(np.int64).tolist(),
            self._towards.sums(standing).astype(np.int64).tolist(),
            self._towards.sums(lost).tolist(),
        ]
        if self._wide:
            approach = self._approached.sums(lost)
            columns.append(self._past.sums(present).astype(np.int64).tolist())
            columns.append((approach if waiting is None else approach + waiting).tolist())
        return list(map(Traffic, *columns))

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
        self.slots: list[set[int]] = []
        self.towards: list[set[int]] = []
        self.past: list[set[int]] = []
        self.approached: list[set[int]] = []

    def lay_out(self, pieces: list[_Piece], limit: float) -> tuple[int, tuple[float, ...]]:
        """Cut a lane; the number of its first cell, and the bounds between its cells."""
        bounds = sorted({edge for piece in pieces for edge in (piece.start, piece.end)})
        first = len(self.limits)
        for low, high in zip([-1.0, *bounds], [*bounds, float("inf")], strict=True):
            inside = [piece for piece in pieces if piece.start <= low and high <= piece.end]
            self.limits.append(max(limit, 0.1))
            self.slots.append({piece.slot for piece in inside if piece.slot >= 0})
            self.towards.append({piece.junction for piece in inside if piece.slot >= 0})
            self.past.append({piece.junction for piece in inside if piece.slot == LEAVING})
            self.approached.append({piece.junction for piece in inside if piece.slot == APPROACH})
        return first, tuple(bounds)

    def pairs(self, counted: list[set[int]], count: int) -> _Pairs:
        """As arrays: which cells count for which of `count` places."""
        rows = [(cell, place) for cell, places in enumerate(counted) for place in sorted(places)]
        array: Integers = np.asarray(rows, dtype=np.int64).reshape(-1, 2)
        return _Pairs(array[:, 0].copy(), array[:, 1].copy(), count)


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
