"""Figures for rewards that no detector gives: who passed, what was lost and by how many people, emissions.

Measured only where a reward asks for them, at the looks it asks for; policies never see any of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from typing import Any

from stopline_envs.plans import PlanSet
from stopline_envs.sensing import Sensors, approach_lanes
from stopline_envs.snapshot import Snapshot, Traffic
from stopline_signals.plan import DetectorKind

STANDING_MPS = 0.1
PERSONS = {"passenger": 1.5, "taxi": 1.5, "bus": 20.0, "coach": 20.0, "tram": 60.0}
"""People assumed in a vehicle of a class, its driver included; 1 in any other. Riders that SUMO itself
simulates count instead where they are more."""


class Figure(StrEnum):
    """A figure of `Traffic` beyond what every look has."""

    LEAVING = "leaving"
    APPROACH = "approach"
    PASSED = "passed"
    LOST = "lost"
    PERSONS = "persons"
    CO2 = "co2"


WIDE = frozenset((Figure.LEAVING, Figure.APPROACH))
"""Figures that the detectors' own sweep gives when it looks at more lanes."""


def sensors_for(
    plan_set: PlanSet, junctions: Sequence[str], libsumo: Any, figures: Collection[Figure] = ()
) -> Sensors:
    """Sensors whose looks also have these figures; those of `WIDE` come both together."""
    wide = bool(WIDE.intersection(figures))
    own = [figure for figure in Figure if figure in figures and figure not in WIDE]
    if not own:
        return Sensors(plan_set, junctions, libsumo, wide=wide)
    return MeteredSensors(plan_set, junctions, libsumo, own, wide=wide)


class MeteredSensors(Sensors):
    """Sensors that take the figures of a `TruthMeter` along with every look."""

    def __init__(
        self,
        plan_set: PlanSet,
        junctions: Sequence[str],
        libsumo: Any,
        figures: Sequence[Figure],
        *,
        wide: bool,
    ) -> None:
        """`figures` are those that need a meter."""
        super().__init__(plan_set, junctions, libsumo, wide=wide)
        self._meters = [TruthMeter(plan_set, name, libsumo, figures) for name in junctions]

    def look(self) -> Snapshot:
        """Read every detector and every figure now."""
        seen = super().look()
        measured = [meter.read() for meter in self._meters]

        def traffic() -> list[Traffic]:
            pairs = zip(seen.traffic, measured, strict=True)
            return [own._replace(**figures) for own, figures in pairs]

        return Snapshot(seen.row, seen.vehicles, seen.queued, traffic, seen.healthy)


class TruthMeter:
    """Measures figures around one junction, from the approaches' beginning to past the junction."""

    def __init__(self, plan_set: PlanSet, name: str, libsumo: Any, figures: Sequence[Figure]) -> None:
        """`libsumo` must hold the simulation when `read` is called."""
        self._sumo = libsumo
        self._lanes = approach_lanes(plan_set, name)
        self._limits = {lane: max(plan_set.network.lanes[lane].speed, 0.1) for lane in self._lanes}
        inside = {movement.connection.via for movement in plan_set.movements[name].movements}
        self._inside = sorted(inside & set(plan_set.network.lanes))
        self._kerbs = _kerbs(plan_set, name)
        self._passed = 0
        self._last: set[str] = set()
        self._entered: dict[str, float] = {}
        self._persons: dict[str, float] = {}
        readers: dict[Figure, tuple[str, Callable[[], float]]] = {
            Figure.PASSED: ("passed", self._count_passed),
            Figure.LOST: ("lost_s", self._sum_lost),
            Figure.PERSONS: ("persons", self._sum_persons),
            Figure.CO2: ("co2_g", self._sum_co2),
        }
        self._readers = tuple(readers[figure] for figure in figures)

    def read(self) -> dict[str, Any]:
        """The figures now, by their names in `Traffic`."""
        return {name: measure() for name, measure in self._readers}

    def _approaching(self) -> list[str]:
        on_lane = self._sumo.lane.getLastStepVehicleIDs
        return [vehicle for lane in self._lanes for vehicle in on_lane(lane)]

    def _count_passed(self) -> float:
        now = set(self._approaching())
        self._passed += len(self._last - now)
        self._last = now
        return self._passed

    def _sum_lost(self) -> float:
        lost_by = self._sumo.vehicle.getTimeLoss
        now = {vehicle: float(lost_by(vehicle)) for vehicle in self._approaching()}
        self._entered = {vehicle: self._entered.get(vehicle, lost) for vehicle, lost in now.items()}
        return sum(lost - self._entered[vehicle] for vehicle, lost in now.items())

    def _sum_persons(self) -> float:
        vehicles, on_lane = self._sumo.vehicle, self._sumo.lane.getLastStepVehicleIDs
        lost = 0.0
        for lane in self._lanes:
            limit = self._limits[lane]
            for name in on_lane(lane):
                lost += self._aboard(name) * max(0.0, 1.0 - vehicles.getSpeed(name) / limit)
        return lost + self._standing_walkers()

    def _aboard(self, name: str) -> float:
        assumed = self._persons.get(name)
        if assumed is None:
            assumed = self._persons[name] = PERSONS.get(self._sumo.vehicle.getVehicleClass(name), 1.0)
        return max(assumed, float(self._sumo.vehicle.getPersonNumber(name)))

    def _standing_walkers(self) -> int:
        people = self._sumo.person
        if not self._kerbs or not people.getIDCount():
            return 0
        on_edge = self._sumo.edge.getLastStepPersonIDs
        return sum(people.getSpeed(name) < STANDING_MPS for edge in self._kerbs for name in on_edge(edge))

    def _sum_co2(self) -> float:
        emitted = self._sumo.lane.getCO2Emission
        return float(sum(emitted(lane) for lane in (*self._lanes, *self._inside))) / 1000.0


def _kerbs(plan_set: PlanSet, name: str) -> tuple[str, ...]:
    """Edges on which people wait to cross."""
    buttons = [d.name for d in plan_set.plans[name].detectors if d.kind is DetectorKind.BUTTON]
    pieces = [piece for button in buttons for piece in plan_set.zones[name, button]]
    return tuple(dict.fromkeys(piece.lane.rpartition("_")[0] for piece in pieces))
