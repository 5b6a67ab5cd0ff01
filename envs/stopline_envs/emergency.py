"""One emergency vehicle in a running simulation: sends it in, follows it, and says how it fared.

It obeys red lights like everybody else (SUMO's bluelight device stays off), so whatever it gains it gains
from the signals. A scenario without an emergency route gets one: the vehicle takes the way of whichever car
has the most signals ahead when it departs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stopline_envs.scenario import Scenario
from stopline_envs.simulation import libsumo_module
from stopline_signals.errors import ScenarioError

HALTING_MPS = 0.1
NEAR_M = 150.0
"""A halt this near to a stop line is a stop at that junction."""
VEHICLE = "emergency_0"
TYPE = "stopline_emergency"
SPEED_FACTOR = 1.4
DEPART_SHARE = 1 / 3
"""Where in the scenario's time the vehicle departs when the scenario does not say."""


class SignalAhead(NamedTuple):
    """A signal on the vehicle's way: link index, metres to its stop line, letter it shows."""

    tls: str
    link: int
    distance_m: float
    letter: str


class Sighting(NamedTuple):
    """The vehicle at one second: odometer (m), speed, free speed, and the signals ahead, nearest first."""

    time_s: int
    odometer_m: float
    speed_mps: float
    desired_mps: float
    ahead: tuple[SignalAhead, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyFigures:
    """How the vehicle fared; times in seconds. `arrived` is False when the run ended before its trip did."""

    arrived: bool
    travel_time_s: float
    time_loss_s: float
    stops: int
    signals: int
    crossed_without_stop: int
    distance_m: float


@dataclass(slots=True)
class EmergencyRun:
    """Follows the vehicle through one run; call `look` once a second, after the simulation step."""

    scenario: Scenario
    vehicle: str = VEHICLE
    edges: tuple[str, ...] = ()
    """Its way; without one it takes the scenario's, or a car's."""
    departs: int | None = None
    sightings: list[Sighting] = field(default_factory=list[Sighting])
    crossed: dict[str, bool] = field(default_factory=dict[str, bool])
    """Per signal crossed: whether the vehicle had to stop at it."""
    gone: bool = False
    _added: bool = False
    _time_loss: float = 0.0
    _stops: int = 0
    _stopped_at: str = ""

    @property
    def depart(self) -> int:
        """When the vehicle is sent in, s."""
        if self.departs is not None:
            return self.departs
        if self.scenario.emergency is not None:
            return self.scenario.emergency.depart
        return self.scenario.begin + round(self.scenario.duration * DEPART_SHARE)

    def look(self, now: int) -> Sighting | None:
        """Where the vehicle is now; None before it has entered and after it has arrived."""
        sumo = libsumo_module()
        sends = bool(self.edges) or self.scenario.emergency is None
        if sends and not self._added and now >= self.depart:
            self._added = _send_in(sumo, self.vehicle, self.edges or _way_of_a_car(sumo))
        if self.gone or self.vehicle not in sumo.vehicle.getIDList():
            self.gone = bool(self.sightings)
            if self.gone:
                self._cross(())
            return None
        sighting = _sight(sumo, self.vehicle, now)
        self._note(sumo, sighting)
        return sighting

    def figures(self) -> EmergencyFigures:
        """Figures up to now; ScenarioError if the vehicle never got in."""
        if not self.sightings:
            raise ScenarioError(
                f"scenario {self.scenario.name}: the emergency vehicle never entered; it departs at "
                f"{self.depart} s, the run covers {self.scenario.begin} to {self.scenario.end} s"
            )
        first, last = self.sightings[0], self.sightings[-1]
        return EmergencyFigures(
            arrived=self.gone,
            travel_time_s=last.time_s - first.time_s + 1.0,
            time_loss_s=round(self._time_loss, 1),
            stops=self._stops,
            signals=len(self.crossed),
            crossed_without_stop=sum(not stopped for stopped in self.crossed.values()),
            distance_m=round(last.odometer_m - first.odometer_m, 1),
        )

    def _note(self, sumo: Any, sighting: Sighting) -> None:
        halted = sighting.speed_mps < HALTING_MPS
        moved_before = not self.sightings or self.sightings[-1].speed_mps >= HALTING_MPS
        if halted and moved_before:
            self._stops += 1
        self._cross(sighting.ahead)
        if halted and sighting.ahead and sighting.ahead[0].distance_m <= NEAR_M:
            self._stopped_at = sighting.ahead[0].tls
        self._time_loss = float(sumo.vehicle.getTimeLoss(self.vehicle))
        self.sightings.append(sighting)

    def _cross(self, ahead: tuple[SignalAhead, ...]) -> None:
        """Note the signals that were ahead a second ago and no longer are."""
        if not self.sightings:
            return
        still = {signal.tls for signal in ahead}
        for signal in self.sightings[-1].ahead:
            if signal.tls not in still and signal.distance_m < NEAR_M:
                self.crossed[signal.tls] = signal.tls == self._stopped_at


def _sight(sumo: Any, name: str, now: int) -> Sighting:
    vehicle = sumo.vehicle
    ahead = tuple(SignalAhead(tls, link, gap, letter) for tls, link, gap, letter in vehicle.getNextTLS(name))
    return Sighting(
        now,
        float(vehicle.getDistance(name)),
        float(vehicle.getSpeed(name)),
        float(vehicle.getAllowedSpeed(name)),
        ahead,
    )


def _way_of_a_car(sumo: Any) -> tuple[str, ...]:
    """The way left to the car with the most signals ahead; nothing while there is none."""
    cars = [(len(sumo.vehicle.getNextTLS(name)), name) for name in sumo.vehicle.getIDList()]
    signals, name = max(cars, default=(0, ""))
    if not signals:
        return ()
    edges = sumo.vehicle.getRoute(name)[sumo.vehicle.getRouteIndex(name) :]
    return tuple(edge for edge in edges if not edge.startswith(":"))


def _send_in(sumo: Any, vehicle: str, edges: tuple[str, ...]) -> bool:
    """Add an emergency vehicle on a way; False without a way."""
    if not edges:
        return False
    if TYPE not in sumo.vehicletype.getIDList():
        sumo.vehicletype.copy("DEFAULT_VEHTYPE", TYPE)
        sumo.vehicletype.setVehicleClass(TYPE, "emergency")
        sumo.vehicletype.setSpeedFactor(TYPE, SPEED_FACTOR)
        # Its own speed must not depend on how many vehicles came before it.
        sumo.vehicletype.setSpeedDeviation(TYPE, 0.0)
    sumo.route.add(f"{vehicle}_route", edges)
    sumo.vehicle.add(vehicle, f"{vehicle}_route", typeID=TYPE, departLane="best", departSpeed="max")
    return True
