"""Buses and trams in a running simulation, as their own dispatcher would report them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stopline_envs.emergency import SignalAhead
from stopline_envs.simulation import libsumo_module

CLASSES = frozenset({"bus", "tram"})


class BusSighting(NamedTuple):
    """One bus at one second: speed, the signals it comes to before its next stop, and what it has lost, s.

    The time at its stops is no loss.
    """

    vehicle: str
    speed_mps: float
    ahead: tuple[SignalAhead, ...]
    lost_s: float


@dataclass(slots=True)
class Buses:
    """Finds the buses of one run; `look` once a second, after the simulation step."""

    _known: dict[str, bool] = field(default_factory=dict[str, bool])

    def look(self) -> list[BusSighting]:
        """All buses on their way, in the order of their names."""
        sumo = libsumo_module()
        return [_sight(sumo, name) for name in sorted(sumo.vehicle.getIDList()) if self._is_bus(sumo, name)]

    def _is_bus(self, sumo: Any, name: str) -> bool:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = sumo.vehicle.getVehicleClass(name) in CLASSES
        return known


def _sight(sumo: Any, name: str) -> BusSighting:
    vehicle = sumo.vehicle
    until = _to_its_stop(vehicle, name)
    # How long it stands at a stop nobody knows: what comes after it is not asked for yet.
    ahead = tuple(
        SignalAhead(tls, link, gap, letter)
        for tls, link, gap, letter in vehicle.getNextTLS(name)
        if gap <= until
    )
    return BusSighting(name, float(vehicle.getSpeed(name)), ahead, float(vehicle.getTimeLoss(name)))


def _to_its_stop(vehicle: Any, name: str) -> float:
    """Metres to its next stop; infinite without one, 0 while it stands there."""
    stops = vehicle.getStops(name, 1)
    if not stops:
        return float("inf")
    if vehicle.isStopped(name):
        return 0.0
    edge = stops[0].lane.rsplit("_", 1)[0]
    distance = float(vehicle.getDrivingDistance(name, edge, stops[0].endPos))
    return distance if distance >= 0 else float("inf")
