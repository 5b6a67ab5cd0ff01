"""The words of vehicle priority: who reports what, what becomes of a request, and what it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from stopline_signals.engine import KEEP


class VehicleClass(StrEnum):
    """Class of a vehicle; all but transit ask as emergency vehicles."""

    FIRE = "fire"
    AMBULANCE = "ambulance"
    POLICE = "police"
    TRANSIT = "transit"


CLASSES = tuple(VehicleClass)
"""Who goes first of those that ask at the same moment."""


class Urgency(StrEnum):
    """What a request may interrupt: an emergency breaks coordination, recovery and transit keep it."""

    EMERGENCY = "emergency"
    RECOVERY = "recovery"
    TRANSIT = "transit"


class State(StrEnum):
    """What becomes of a request at one junction."""

    WAITING = "waiting"
    PENDING_SAFE_POINT = "pending safe point"
    QUEUED = "queued"
    GRANTED = "granted"
    GREEN = "green"
    REJECTED = "rejected"
    COMPLETED = "completed"
    COOLDOWN = "cooldown"
    STALE = "stale"


class Ahead(NamedTuple):
    """A junction ahead; `group` or `approach` names the movement, `eta_s` 0 means compute it."""

    junction: str
    group: str = ""
    approach: str = ""
    distance_m: float = 0.0
    eta_s: float = 0.0


class Fix(NamedTuple):
    """A position (WGS 84, degrees), the course over ground, and how far it may be wrong."""

    latitude: float
    longitude: float
    heading: float | None = None
    """Degrees clockwise from north; None: not known."""
    accuracy_m: float = 0.0
    """Standard deviation, m; 0: not stated."""


class RouteStop(NamedTuple):
    """A junction on the vehicle's route, without the metres to it; `group` if the movement is known."""

    junction: str
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleReport:
    """One report of one vehicle: what is ahead as it knows it, or where it is, to be matched to a map."""

    vehicle: str
    kind: VehicleClass
    sequence: int
    speed_mps: float = 0.0
    desired_mps: float = 0.0
    ahead: tuple[Ahead, ...] = ()
    cancel: bool = False
    late_s: float = 0.0
    """Behind the timetable; negative: ahead of it."""
    position: Fix | None = None
    matched: bool = False
    """Whether what is ahead was found by its position and a map, and not stated."""
    route: tuple[RouteStop, ...] = ()
    """Junctions it will pass, in order, those behind it included; empty: predicted."""
    incident: str = ""
    """What it drives to, as its dispatcher calls it; kept in the records."""


class Progress(NamedTuple):
    """Status of one vehicle at one junction, as answered."""

    junction: str
    state: State
    stage: int = KEEP
    eta_s: float = 0.0
    start_in_s: float = 0.0
    reason: str = ""
    green_in_s: float = 0.0
    """Until the stage asked for is green, if nothing else comes between."""


@dataclass(slots=True)
class Request:
    """A vehicle's standing request at one junction; times in controller seconds."""

    vehicle: str
    kind: VehicleClass
    group: int
    arrives: float
    activated: float | None = None
    stage: int = KEEP
    state: State = State.WAITING
    start_in: float = 0.0
    reason: str = ""
    green_in: float = 0.0
    late: float = 0.0
    standing: bool = False
    """Whether it stands, short of the stop line of its next junction."""
    stuck_since: float | None = None
    """Since when it stands although it has its green; then, since when those beside it have theirs."""
    held_s: float = 0.0
    """For how long it held the junction by earlier requests, a short time ago."""
    relief: int = KEEP
    """The stage of those beside it, while it is asked for instead."""

    def __str__(self) -> str:
        """Who it is, for reasons."""
        return f"{self.kind} {self.vehicle}"

    @property
    def alive(self) -> bool:
        """Whether it may still get something."""
        return self.state is not State.REJECTED

    def rank(self) -> tuple[float, int, float, str]:
        """Of emergencies who was activated first, then by class, arrival and name."""
        return (
            float("inf") if self.activated is None else self.activated,
            CLASSES.index(self.kind),
            self.arrives,
            self.vehicle,
        )


class Wish(NamedTuple):
    """The stage that the leading vehicle of a rank asks for at a junction."""

    urgency: Urgency
    stage: int
    vehicle: str
    reason: str
