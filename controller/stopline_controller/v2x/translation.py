"""Between J2735's words and ours: a signal request becomes a report, progress becomes a status."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stopline_controller.site_tables import V2xInboundTable
from stopline_controller.v2x.frames import Asked, Srm, Told
from stopline_signals.approach_map import apart_m
from stopline_signals.errors import StoplineError
from stopline_signals.priority import Ahead, Progress, State, VehicleClass, VehicleReport

ROLES = {
    "emergency": VehicleClass.AMBULANCE,
    "ambulance": VehicleClass.AMBULANCE,
    "fire": VehicleClass.FIRE,
    "police": VehicleClass.POLICE,
    "publicTransport": VehicleClass.TRANSIT,
    "transit": VehicleClass.TRANSIT,
}
"""Classes by BasicVehicleRole; other roles have no priority here."""
STATUSES = {
    State.WAITING: "requested",
    State.STALE: "requested",
    State.PENDING_SAFE_POINT: "processing",
    State.QUEUED: "processing",
    State.GRANTED: "granted",
    State.GREEN: "granted",
    State.REJECTED: "rejected",
    State.COOLDOWN: "reserviceLocked",
}
"""By PrioritizationResponseStatus; what is completed has none."""
WANTS = ("priorityRequest", "priorityRequestUpdate")
CANCELS = "priorityCancellation"

LONGEST_MS = 60_999
"""Milliseconds of a minute with a leap second; beyond that they are not known."""
GONE_S = 30.0
"""An arrival may lie so far back: the vehicle stands at the line."""
SOONEST_S = 0.1
KEPT_VEHICLES = 1_000


class RequestError(StoplineError):
    """A signal request that cannot be made a report of, and why."""


class Wanted(NamedTuple):
    """What stands of a vehicle at one junction; times in seconds since 1970 UTC."""

    row: V2xInboundTable
    arrives: float | None
    heard: float


@dataclass(frozen=True, slots=True)
class Translated:
    """A report, when it was measured, and what stands of the vehicle once the report counts."""

    report: VehicleReport
    measured: float
    standing: dict[str, Wanted]


class Translator:
    """Makes reports of signal requests; remembers what vehicles ask at other junctions, for some seconds."""

    def __init__(
        self, inbound: Sequence[V2xInboundTable], *, silence: float = 8.0, timestamp_required: bool = True
    ) -> None:
        """`silence`: a request that is not repeated within this time ends, seconds."""
        self._inbound = {(row.region, row.intersection, *row.point): row for row in inbound}
        self._silence = silence
        self._timestamp_required = timestamp_required
        self._standing: dict[str, tuple[int, dict[str, Wanted]]] = {}
        """What stands of each vehicle, and the number of the report it is from."""

    def ours(self, srm: Srm) -> list[tuple[Asked, V2xInboundTable]]:
        """The requests that are for junctions of ours."""
        found = ((asked, self._inbound.get((*asked.intersection, *asked.inbound))) for asked in srm.asked)
        return [(asked, row) for asked, row in found if row is not None]

    def translate(self, srm: Srm, wall: float) -> Translated:
        """The vehicle's report; RequestError when it cannot be one. `wall`: seconds since 1970 UTC."""
        kind = ROLES.get(srm.role or "")
        if kind is None:
            raise RequestError(f"role {srm.role or 'not stated'} has no priority")
        if srm.minute is None and self._timestamp_required:
            raise RequestError("says no minute of the year: a replay could not be told")
        measured = moment(srm.minute, srm.millisecond, wall)
        if measured is None:
            raise RequestError("says no second")
        _, before = self._standing.get(vehicle_name(srm), (0, {}))
        standing = {key: item for key, item in before.items() if wall - item.heard <= self._silence}
        for asked, row in self.ours(srm):
            if asked.kind == CANCELS:
                standing.pop(row.junction, None)
            elif asked.kind in WANTS:
                standing[row.junction] = Wanted(row, moment(asked.minute, asked.millisecond, wall), wall)
        ahead = sorted((_ahead(item, srm, wall) for item in standing.values()), key=_nearest)
        report = VehicleReport(
            vehicle=vehicle_name(srm),
            kind=kind,
            # The time grows with every message, and what was sent before can be told by it.
            sequence=round(measured * 1000),
            speed_mps=srm.speed_mps or 0.0,
            late_s=srm.late_s or 0.0,
            ahead=tuple(ahead),
            cancel=not ahead,
        )
        return Translated(report, measured, standing)

    def keep(self, made: Translated, wall: float) -> None:
        """Remember what stands of a vehicle, now that its report counted; an old one changes nothing."""
        vehicle, sequence = made.report.vehicle, made.report.sequence
        if sequence > self._standing.get(vehicle, (0, {}))[0]:
            self._standing[vehicle] = (sequence, made.standing)
        if len(self._standing) > KEPT_VEHICLES:
            self._standing = {
                vehicle: kept
                for vehicle, kept in self._standing.items()
                if any(wall - item.heard <= self._silence for item in kept[1].values())
            }

    def told(self, srm: Srm, progress: Sequence[Progress]) -> list[Told]:
        """The status of each request of the message at a junction of ours."""
        states = {item.junction: item.state for item in progress}
        return [
            Told(asked, srm.vehicle, srm.sequence or 0, STATUSES[state], srm.role)
            for asked, row in self.ours(srm)
            if (state := states.get(row.junction)) in STATUSES and state is not None
        ]


def vehicle_name(srm: Srm) -> str:
    """What the vehicle is called here: its number, marked as one heard by radio."""
    kind, number = srm.vehicle
    return f"v2x-{number.hex()}" if isinstance(number, bytes) else f"v2x-{kind}-{number}"


def moment(minute: int | None, millisecond: int | None, wall: float) -> float | None:
    """Seconds since 1970 UTC of a minute of the year and a millisecond in it, near `wall`; None: not known.

    Without a minute it is the nearest that fits; the year is the nearest that fits in any case.
    """
    if millisecond is not None and millisecond > LONGEST_MS:
        return None
    if minute is None and millisecond is None:
        return None
    within = (millisecond or 0) / 1000
    if minute is None:
        begun = math.floor(wall / 60) * 60
        near = [begun + shift + within for shift in (-60, 0, 60)]
    else:
        year = datetime.datetime.fromtimestamp(wall, datetime.UTC).year
        begins = [datetime.datetime(year + shift, 1, 1, tzinfo=datetime.UTC) for shift in (-1, 0, 1)]
        near = [begin.timestamp() + minute * 60 + within for begin in begins]
    return min(near, key=lambda found: abs(found - wall))


def minute_of_year(wall: float) -> tuple[int, int]:
    """The minute of the year and the millisecond in it."""
    now = datetime.datetime.fromtimestamp(wall, datetime.UTC)
    begin = datetime.datetime(now.year, 1, 1, tzinfo=datetime.UTC)
    minute, second = divmod((now - begin).total_seconds(), 60)
    return int(minute), int(second * 1000)


def _ahead(item: Wanted, srm: Srm, wall: float) -> Ahead:
    row = item.row
    metres = _metres(row, srm)
    eta = 0.0 if item.arrives is None else item.arrives - wall
    if eta < -GONE_S:
        raise RequestError(f"arrives {-eta:.0f} s ago")
    if item.arrives is None and metres is None:
        raise RequestError("says neither when it arrives nor where it is")
    eta = 0.0 if item.arrives is None else max(eta, SOONEST_S)
    return Ahead(row.junction, row.group, distance_m=metres or 0.0, eta_s=eta)


def _nearest(ahead: Ahead) -> tuple[float, float]:
    return ahead.eta_s, ahead.distance_m


def _metres(row: V2xInboundTable, srm: Srm) -> float | None:
    """Metres to the stop line as the crow flies, where both are known."""
    if row.latitude is None or row.longitude is None or srm.latitude is None or srm.longitude is None:
        return None
    return apart_m((row.latitude, row.longitude), (srm.latitude, srm.longitude))
