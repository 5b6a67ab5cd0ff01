"""Indiana high-resolution event codes (doi 10.4231/K4RN35SH), the subset Stopline emits."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class HiRes(IntEnum):
    """Event codes; the parameter is the group number, counted from 1."""

    GREEN = 1
    GREEN_END = 7
    YELLOW = 8
    YELLOW_END = 9
    RED_CLEARANCE = 10
    WALK = 21
    PED_CLEARANCE = 22
    DONT_WALK = 23
    CALL_ON = 43
    CALL_OFF = 44
    PED_CALL = 45


class Event(NamedTuple):
    """One event: absolute time in tenths, code, parameter."""

    time: int
    code: HiRes
    param: int
