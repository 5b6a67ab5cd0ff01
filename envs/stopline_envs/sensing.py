"""Detector readings from the simulation, for all junctions of a network at once.

Every zone is a set of lane pieces. One reading looks at each vehicle once, either lane by lane or by one
sweep over all vehicles, whichever takes fewer calls now, and counts it in all the zones it stands in. The
same look gives the slowness that rewards use; policies never see that figure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from stopline_envs.plans import LaneSegment, PlanSet
from stopline_signals.detectors import NOTHING, QUEUED_BELOW_MPS, DetectorReading
from stopline_signals.plan import DetectorKind, SignalPlan

SWEEP_CALLS = 1
"""libsumo calls per vehicle of a sweep before it is known whether the vehicle is in a zone."""


class Traffic(NamedTuple):
    """Ground truth around one junction, for rewards only: vehicles in its zones, queued ones, slowness.

    Slowness is the sum over vehicles of 1 - speed / speed limit: the time lost per second.
    """

    vehicles: int = 0
    queued: int = 0
    slowness: float = 0.0
    leaving: int = 0
    """Vehicles on the first metres past the junction."""


class Snapshot(NamedTuple):
    """One look at the network: per junction its detector readings and its traffic."""

    readings: dict[str, tuple[DetectorReading, ...]]
    traffic: dict[str, Traffic]


class _Lane(NamedTuple):
    """Where zones begin and end on a lane: between two bounds the same zones hold a vehicle."""

    bounds: tuple[float, ...]
    slots: tuple[tuple[int, ...], ...]
    junctions: tuple[tuple[int, ...], ...]
    speed: float


class _Button(NamedTuple):
    slot: int
    edges: tuple[str, ...]
    crossing: str


class Sensors:
    """Reads the detectors of some junctions; `libsumo` must hold their simulation."""

    def __init__(self, plan_set: PlanSet, junctions: Sequence[str], libsumo: Any) -> None:
        """Lay the zones of the junctions' plans out on the lanes."""
        self._libsumo = libsumo
        self._names = tuple(junctions)
        self._plans = tuple(plan_set.plans[name] for name in junctions)
        self._first: list[int] = []
        pieces: dict[str, list[tuple[LaneSegment, int, int]]] = {}
        self._buttons: list[_Button] = []
        slot = 0
        for number, (name, plan) in enumerate(zip(self._names, self._plans, strict=True)):
            self._first.append(slot)
            for detector in plan.detectors:
                zone = plan_set.zones[name, detector.name]
                if detector.kind is DetectorKind.BUTTON:
                    self._buttons.append(_button(slot, zone))
                else:
                    for segment in zone:
                        pieces.setdefault(segment.lane, []).append((segment, slot, number))
                slot += 1
        self._slots = slot
        self._lanes = {
            lane: _lay_out(found, plan_set.network.lanes[lane].speed) for lane, found in pieces.items()
        }

    def look(self) -> Snapshot:
        """Read every detector now."""
        vehicles, queued = [0] * self._slots, [0] * self._slots
        truth = [[0, 0, 0.0] for _ in self._names]
        for layout, position, speed in self._vehicles():
            where = bisect_left(layout.bounds, position)
            slow = speed < QUEUED_BELOW_MPS
            for slot in layout.slots[where]:
                vehicles[slot] += 1
                queued[slot] += slow
            for number in layout.junctions[where]:
                row = truth[number]
                row[0] += 1
                row[1] += slow
                row[2] += max(0.0, 1.0 - speed / layout.speed)
        for button in self._buttons_pressed():
            vehicles[button] = 1
        return Snapshot(
            {name: self._of(number, vehicles, queued) for number, name in enumerate(self._names)},
            {
                name: Traffic(int(row[0]), int(row[1]), row[2])
                for name, row in zip(self._names, truth, strict=True)
            },
        )

    def _of(self, number: int, vehicles: list[int], queued: list[int]) -> tuple[DetectorReading, ...]:
        first = self._first[number]
        slots = range(first, first + len(self._plans[number].detectors))
        return tuple(DetectorReading(vehicles[s], queued[s]) if vehicles[s] else NOTHING for s in slots)

    def _vehicles(self) -> Iterable[tuple[_Lane, float, float]]:
        """Layout of the lane, position and speed of every vehicle on a lane with a zone."""
        vehicle = self._libsumo.vehicle
        position, speed = vehicle.getLanePosition, vehicle.getSpeed
        lanes = self._lanes
        if vehicle.getIDCount() * SWEEP_CALLS < len(lanes):
            lane_of = vehicle.getLaneID
            for name in vehicle.getIDList():
                layout = lanes.get(lane_of(name))
                if layout is not None:
                    yield layout, position(name), speed(name)
        else:
            on_lane = self._libsumo.lane.getLastStepVehicleIDs
            for lane, layout in lanes.items():
                for name in on_lane(lane):
                    yield layout, position(name), speed(name)

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


def without_buttons(plan: SignalPlan) -> bool:
    """Whether the plan has no push button at all."""
    return all(detector.kind is not DetectorKind.BUTTON for detector in plan.detectors)


def latch_buttons(
    plan: SignalPlan, readings: tuple[DetectorReading, ...], pressed: Mapping[int, bool]
) -> tuple[DetectorReading, ...]:
    """Readings in which a button pressed earlier (by detector position) still calls."""
    return tuple(
        reading._replace(vehicles=1) if pressed.get(position) else reading
        for position, reading in enumerate(readings)
    )


def _button(slot: int, zone: Sequence[LaneSegment]) -> _Button:
    edges = tuple(segment.lane.rpartition("_")[0] for segment in zone)
    return _Button(slot, edges, zone[0].crossing if zone else "")


def _lay_out(found: list[tuple[LaneSegment, int, int]], speed: float) -> _Lane:
    bounds = sorted({edge for segment, _, _ in found for edge in (segment.start, segment.end)})
    slots: list[tuple[int, ...]] = []
    junctions: list[tuple[int, ...]] = []
    for low, high in zip([-1.0, *bounds], [*bounds, float("inf")], strict=True):
        inside = [
            (slot, number) for segment, slot, number in found if segment.start <= low and high <= segment.end
        ]
        slots.append(tuple(slot for slot, _ in inside))
        junctions.append(tuple(sorted({number for _, number in inside})))
    return _Lane(tuple(bounds), tuple(slots), tuple(junctions), max(speed, 0.1))
