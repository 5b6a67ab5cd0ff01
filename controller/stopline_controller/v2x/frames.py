"""The bytes of J2735 message frames: SRM (29) read, SSM (30) written, in unaligned packed encoding.

The ASN.1 of both messages is ISO TS 19091's, as ETSI TS 103 301 publishes it and pycrate compiles it; only
the frame around them is our own: 16 bits of message number, a length, the message.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, cast

from stopline_signals.errors import StoplineError

SRM, SSM = 29, 30
"""Numbers of the messages, DSRCmsgID."""
LARGEST = 2_048
"""Bytes of a frame that are looked at; a radio carries fewer."""

Point = tuple[str, int]
"""Where a vehicle comes in: lane, approach or connection, and its number in the intersection's map."""
Fields = dict[str, Any]


class FrameError(StoplineError):
    """A frame that is no signal request, or is damaged; says what is wrong with it."""


class Asked(NamedTuple):
    """One request of a SRM: the intersection (region, number), what is asked, from where, for when."""

    intersection: tuple[int, int]
    number: int
    kind: str
    """priorityRequest, priorityRequestUpdate or priorityCancellation."""
    inbound: Point
    outbound: Point | None = None
    minute: int | None = None
    """Of the year, UTC, when the vehicle arrives."""
    millisecond: int | None = None


class Srm(NamedTuple):
    """A signal request message; what it does not say is None."""

    vehicle: tuple[str, bytes | int]
    millisecond: int
    """Within the minute; over 60,999: not known."""
    asked: tuple[Asked, ...] = ()
    minute: int | None = None
    sequence: int | None = None
    role: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    """Degrees."""
    speed_mps: float | None = None
    late_s: float | None = None
    """Behind its timetable, in steps of 10 s; negative: ahead of it."""


class Told(NamedTuple):
    """One status of a SSM, for the request it answers."""

    asked: Asked
    vehicle: tuple[str, bytes | int]
    sequence: int
    status: str
    role: str | None = None


def read_srm(frame: bytes) -> Srm:
    """The signal request in a frame; FrameError when there is none."""
    payload = _payload(frame)
    message = _dsrc().SignalRequestMessage
    try:
        message.from_uper(payload)
        return _srm(cast("Fields", message.get_val()))
    except Exception as error:  # a decoder that meets hostile bytes raises whatever it stumbled over
        raise FrameError(f"no signal request message ({type(error).__name__})") from error


def write_ssm(minute: int, millisecond: int, sequence: int, told: Sequence[Told]) -> bytes:
    """A frame with the status of requests, intersection by intersection; `told` must not be empty."""
    grouped: dict[tuple[int, int], list[Told]] = {}
    for item in told:
        grouped.setdefault(item.asked.intersection, []).append(item)
    message = _dsrc().SignalStatusMessage
    message.set_val(
        {
            "timeStamp": minute,
            "second": millisecond,
            "sequenceNumber": sequence,
            "status": [
                {
                    "sequenceNumber": sequence,
                    "id": _intersection(where),
                    "sigStatus": [_status(item) for item in items],
                }
                for where, items in grouped.items()
            ],
        }
    )
    return framed(SSM, message.to_uper())


def framed(number: int, payload: bytes) -> bytes:
    """A message in its frame."""
    size = len(payload)
    length = bytes([size]) if size < 128 else bytes([0x80 | size >> 8, size & 0xFF])
    return number.to_bytes(2, "big") + length + payload


def _payload(frame: bytes) -> bytes:
    if not 4 <= len(frame) <= LARGEST:
        raise FrameError(f"{len(frame)} bytes are no frame")
    number, size, begin = int.from_bytes(frame[:2], "big"), frame[2], 3
    if number != SRM:
        raise FrameError(f"message {number} is no signal request")
    if size >= 0xC0:
        raise FrameError("fragments are not taken")
    if size >= 0x80:
        size, begin = (size & 0x3F) << 8 | frame[3], 4
    if len(frame) != begin + size:
        raise FrameError(f"says {size} bytes and has {len(frame) - begin}")
    return frame[begin:]


def _srm(value: Fields) -> Srm:
    requestor: Fields = value["requestor"]
    position: Fields = requestor.get("position", {})
    point: Fields = position.get("position", {})
    speed = position.get("speed", {}).get("speed", _NO_SPEED)
    return Srm(
        vehicle=requestor["id"],
        millisecond=value["second"],
        asked=tuple(_asked(package) for package in value.get("requests", ())),
        minute=_minute(value.get("timeStamp")),
        sequence=value.get("sequenceNumber"),
        role=requestor.get("type", {}).get("role"),
        latitude=_degrees(point.get("lat"), 90.0),
        longitude=_degrees(point.get("long"), 180.0),
        speed_mps=None if speed == _NO_SPEED else speed * _SPEED_STEP,
        late_s=_late(requestor.get("transitSchedule")),
    )


def _late(value: int | None) -> float | None:
    """DeltaTime counts what a vehicle is ahead of its timetable."""
    return None if value is None or value == _NO_SCHEDULE else -_SCHEDULE_STEP_S * value


_NO_SPEED = 8191
_SPEED_STEP = 0.02
"""Metres a second of one unit of speed."""
_DEGREE_STEP = 1e-7
_NO_MINUTE = 527_040
_NO_SCHEDULE = -122
_SCHEDULE_STEP_S = 10.0


def _asked(package: Fields) -> Asked:
    request: Fields = package["request"]
    where: Fields = request["id"]
    return Asked(
        intersection=(where.get("region", 0), where["id"]),
        number=request["requestID"],
        kind=request["requestType"],
        inbound=request["inBoundLane"],
        outbound=request.get("outBoundLane"),
        minute=_minute(package.get("minute")),
        millisecond=package.get("second"),
    )


def _minute(value: int | None) -> int | None:
    return None if value == _NO_MINUTE else value


def _degrees(value: int | None, most: float) -> float | None:
    """None for the value over the range, which says that it is not known."""
    if value is None or abs(value) * _DEGREE_STEP > most:
        return None
    return value * _DEGREE_STEP


def _intersection(where: tuple[int, int]) -> Fields:
    region, number = where
    return {"region": region, "id": number} if region else {"id": number}


def _status(item: Told) -> Fields:
    asked = item.asked
    requester: Fields = {"id": item.vehicle, "request": asked.number, "sequenceNumber": item.sequence}
    optional: Mapping[str, object] = {
        "outboundOn": asked.outbound,
        "minute": asked.minute,
        "second": asked.millisecond,
    }
    return {
        "requester": {**requester, **({"role": item.role} if item.role else {})},
        "inboundOn": asked.inbound,
        **{name: value for name, value in optional.items() if value is not None},
        "status": item.status,
    }


@cache
def _dsrc() -> Any:
    """The compiled messages. They hold what was read last: for one thread only."""
    return importlib.import_module("pycrate_asn1dir.ITS_IS").DSRC
