"""What is on the road at one moment, as plain values that travel between processes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class Body(NamedTuple):
    """A vehicle: its front bumper (m), heading (degrees clockwise from north), size (m), class and speed."""

    x: float
    y: float
    heading: float
    length: float
    width: float
    kind: str
    speed: float


class Scene(NamedTuple):
    """One second of a simulation; `lamps` holds a signal's state letters by its name."""

    now: int
    vehicles: tuple[Body, ...]
    people: tuple[tuple[float, float], ...]
    lamps: dict[str, str]


def take_scene(libsumo: Any, now: int, signals: Iterable[str]) -> Scene:
    """Read the running simulation."""
    vehicle, person = libsumo.vehicle, libsumo.person
    bodies = tuple(_body(vehicle, name) for name in vehicle.getIDList())
    people = tuple((x, y) for x, y, *_ in map(person.getPosition, person.getIDList()))
    lamps = {name: str(libsumo.trafficlight.getRedYellowGreenState(name)) for name in signals}
    return Scene(now, bodies, people, lamps)


def _body(vehicle: Any, name: str) -> Body:
    x, y, *_ = vehicle.getPosition(name)
    return Body(
        x,
        y,
        vehicle.getAngle(name),
        vehicle.getLength(name),
        vehicle.getWidth(name),
        vehicle.getVehicleClass(name),
        vehicle.getSpeed(name),
    )
