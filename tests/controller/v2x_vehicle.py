"""A vehicle that speaks J2735: makes the bytes of its signal requests, and reads the status sent back."""

from __future__ import annotations

import importlib
from typing import Any

from stopline_controller.v2x.frames import SRM, SSM, framed
from stopline_controller.v2x.translation import minute_of_year

INTERSECTION = 1222
APPROACH = 3


def srm(
    wall: float,
    eta_s: float | None = 6.0,
    *,
    vehicle: tuple[str, bytes | int] = ("entityID", b"\x01\x0c\x0c\x0a"),
    role: str | None = "ambulance",
    kind: str = "priorityRequest",
    intersection: int = INTERSECTION,
    approach: int = APPROACH,
    position: tuple[float, float] | None = None,
    speed_mps: float = 14.0,
    dated: bool = True,
    schedule: int | None = None,
) -> bytes:
    """One request, sent at `wall` (seconds since 1970 UTC), of a vehicle that arrives `eta_s` later."""
    minute, millisecond = minute_of_year(wall)
    package: dict[str, Any] = {
        "request": {
            "id": {"id": intersection},
            "requestID": 5,
            "requestType": kind,
            "inBoundLane": ("approach", approach),
        }
    }
    if eta_s is not None:
        package["minute"], package["second"] = minute_of_year(wall + eta_s)
    requestor: dict[str, Any] = {"id": vehicle}
    if role is not None:
        requestor["type"] = {"role": role}
    if schedule is not None:
        requestor["transitSchedule"] = schedule
    if position is not None:
        requestor["position"] = {
            "position": {"lat": round(position[0] * 1e7), "long": round(position[1] * 1e7)},
            "speed": {"transmisson": "forwardGears", "speed": round(speed_mps / 0.02)},
        }
    message = dsrc().SignalRequestMessage
    when = {"timeStamp": minute} if dated else {}
    message.set_val(
        {**when, "second": millisecond, "sequenceNumber": 9, "requests": [package], "requestor": requestor}
    )
    payload: bytes = message.to_uper()
    return framed(SRM, payload)


def statuses(frame: bytes | None) -> list[str]:
    """The status of each request in a frame; none without a frame."""
    if frame is None:
        return []
    assert frame[:2] == SSM.to_bytes(2, "big")
    message = dsrc().SignalStatusMessage
    message.from_uper(frame[3:])
    return [p["status"] for status in message.get_val()["status"] for p in status["sigStatus"]]


def dsrc() -> Any:
    return importlib.import_module("pycrate_asn1dir.ITS_IS").DSRC
