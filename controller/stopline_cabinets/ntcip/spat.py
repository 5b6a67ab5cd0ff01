"""The signal state a controller pushes ten times a second: UDP, usually port 6053 (TSCBM), both directions.

The layout is Econolite's, which other makes send too: 16 phases and 16 overlaps, bit 0 is number 1, big
endian, 241 bytes, or 245 with pedestrian calls.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from stopline_cabinets.ntcip.groups import Lamps
from stopline_signals.errors import CabinetError

PORT = 6_053
NUMBERS = 16
"""Phases and overlaps there is room for."""
UNKNOWN = 0xFFFF
"""A time to change that the controller does not know."""

MANUAL, STOP_TIME, FAULT_FLASH, PREEMPT, PRIORITY, COORDINATED, IN_STEP, FLASH = (
    1 << bit for bit in range(8)
)
"""Bits of `Spat.status`."""


class SpatError(CabinetError):
    """A datagram that is no signal state."""


class Ends(NamedTuple):
    """Of one number: tenths to the end of what phase, pedestrian phase and overlap show, or UNKNOWN."""

    vehicle_least: int = UNKNOWN
    vehicle_most: int = UNKNOWN
    ped_least: int = UNKNOWN
    ped_most: int = UNKNOWN
    overlap_least: int = UNKNOWN
    overlap_most: int = UNKNOWN


class Spat(NamedTuple):
    """One push; `time` is the controller's clock, ms of the day."""

    lamps: Lamps
    ends: tuple[Ends, ...] = (Ends(),) * NUMBERS
    flashing: int = 0
    overlaps_flashing: int = 0
    status: int = 0
    action_plan: int = 0
    discontinuous: bool = False
    sequence: int = 0
    time: int = 0
    ped_calls: int | None = None
    ped_latched: int = 0


def encode(spat: Spat) -> bytes:
    """The datagram; 245 bytes when pedestrian calls are known, else 241."""
    lamps = spat.lamps
    parts = [b"\xcd", bytes((NUMBERS,))]
    parts += [_ENDS.pack(number, *ends) for number, ends in enumerate(spat.ends, start=1)]
    parts.append(
        _TAIL.pack(
            lamps.reds,
            lamps.yellows,
            lamps.greens,
            lamps.dont_walks,
            lamps.ped_clears,
            lamps.walks,
            lamps.overlap_reds,
            lamps.overlap_yellows,
            lamps.overlap_greens,
            spat.flashing,
            spat.overlaps_flashing,
            spat.status,
            spat.action_plan,
            spat.discontinuous,
            spat.sequence,
            *(spat.time // 1000).to_bytes(3, "big"),
            spat.time % 1000,
        )
    )
    if spat.ped_calls is not None:
        parts.append(_CALLS.pack(spat.ped_calls, spat.ped_latched))
    return b"".join(parts)


def decode(data: bytes) -> Spat:
    """A push from its datagram; SpatError and nothing else when it is none."""
    if len(data) not in (_LENGTH, _LENGTH + _CALLS.size) or data[0] != 0xCD or data[1] != NUMBERS:
        raise SpatError(f"{len(data)} bytes are no signal state (TSCBM)")
    tail = _TAIL.unpack_from(data, _TAIL_AT)
    calls, latched = _CALLS.unpack_from(data, _LENGTH) if len(data) > _LENGTH else (None, 0)
    if tail[18] > 999:
        raise SpatError("a signal state whose clock is out of range")
    return Spat(
        lamps=_lamps(tail),
        ends=_ends(data),
        flashing=tail[9],
        overlaps_flashing=tail[10],
        status=tail[11],
        action_plan=tail[12],
        discontinuous=bool(tail[13] & 1),
        sequence=tail[14],
        time=int.from_bytes(bytes(tail[15:18]), "big") * 1000 + tail[18],
        ped_calls=calls,
        ped_latched=latched,
    )


def _lamps(tail: tuple[int, ...]) -> Lamps:
    """Red clearance does not show in a push: `ons` are the phases in green and yellow."""
    reds, yellows, greens, dont_walks, ped_clears, walks = tail[:6]
    lamps = Lamps(reds, yellows, greens, dont_walks, ped_clears, walks, greens | yellows)
    return lamps._replace(overlap_reds=tail[6], overlap_yellows=tail[7], overlap_greens=tail[8])


def _ends(data: bytes) -> tuple[Ends, ...]:
    """By number; rows that carry none are passed over."""
    ends = [Ends()] * NUMBERS
    for index in range(NUMBERS):
        number, *times = _ENDS.unpack_from(data, 2 + index * _ENDS.size)
        if 1 <= number <= NUMBERS:
            ends[number - 1] = Ends(*times)
    return tuple(ends)


_ENDS = struct.Struct(">B6H")
_TAIL = struct.Struct(">11H4B3BH")
_CALLS = struct.Struct(">2H")
_TAIL_AT = 2 + NUMBERS * _ENDS.size
_LENGTH = _TAIL_AT + _TAIL.size
assert _LENGTH == 241
