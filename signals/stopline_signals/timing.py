"""Clearance times by the book, in tenths of a second, rounded up.

Sources: ITE RP-040B (2020) kinematic yellow and red clearance, MUTCD 11th ed. 4F.17 (yellow 3 to 6 s, red
clearance up to 6 s) and 4I.06 (3.5 ft/s walking speed, 3.0 ft/s from the push button), RiLSA 2015 2.5:
intergreen t_z = t_crossing + t_clearing - t_entering.
"""

from __future__ import annotations

import math
from typing import NamedTuple

REACTION_S = 1.0
DECELERATION_MPS2 = 3.05
GRAVITY_MPS2 = 9.81
VEHICLE_LENGTH_M = 6.0
WALKING_MPS = 1.07
WALKING_FROM_BUTTON_MPS = 0.91
YELLOW_RANGE_S = (3.0, 6.0)
RED_CLEARANCE_MAX_S = 6.0
PEDESTRIAN_BUFFER_S = 3.0
WALK_S = 7.0
BUTTON_SETBACK_M = 1.83


def tenths(seconds: float) -> int:
    """Seconds as integer tenths, rounded up; forgives floating-point dust."""
    return math.ceil(round(seconds * 10, 6))


def yellow_time(speed: float, grade: float = 0.0, turn_speed: float = 0.0) -> int:
    """ITE yellow change interval: approach speed in m/s, grade as a fraction (uphill positive).

    A turn that slows down to `turn_speed` (0: goes straight on) takes the extended form.
    """
    entry = min(turn_speed, speed) if turn_speed > 0 else speed
    braking = DECELERATION_MPS2 + GRAVITY_MPS2 * grade
    low, high = YELLOW_RANGE_S
    if braking <= 0:
        return tenths(high)
    seconds = REACTION_S + (speed - entry) / braking + entry / (2 * braking)
    return tenths(min(max(seconds, low), high))


def red_clearance(width: float, speed: float, length: float = VEHICLE_LENGTH_M) -> int:
    """ITE red clearance: metres from stop line to far edge, approach speed in m/s, vehicle length in m."""
    return (
        tenths(min((width + length) / speed, RED_CLEARANCE_MAX_S))
        if speed > 0
        else tenths(RED_CLEARANCE_MAX_S)
    )


def pedestrian_clearance(crossing: float) -> int:
    """Pedestrian change interval for a crossing length in metres, without the buffer."""
    return tenths(crossing / WALKING_MPS)


def walk_time(crossing: float) -> int:
    """Walk: at least 7 s, and long enough with the clearance for the 3.0 ft/s check from the button."""
    whole = (crossing + BUTTON_SETBACK_M) / WALKING_FROM_BUTTON_MPS
    return max(tenths(WALK_S), tenths(whole) - pedestrian_clearance(crossing))


class UserClass(NamedTuple):
    """What RiLSA takes for one class of road user: s, m/s and m.

    `entering_mps` of 0 means the class enters without a head start, so nothing is taken off.
    """

    crossing_s: float
    clearing_mps: float
    length_m: float
    entering_mps: float


STRAIGHT = UserClass(3.0, 10.0, 6.0, 40 / 3.6)
TURNING = UserClass(2.0, 7.0, 6.0, 40 / 3.6)
CYCLIST = UserClass(1.0, 4.0, 0.0, 5.0)
PEDESTRIAN = UserClass(0.0, 1.2, 0.0, 0.0)


def intergreen_time(
    crossing: int,
    clearing_m: float,
    vehicle_m: float,
    clearing_mps: float,
    entering_m: float = 0.0,
    entering_mps: float = 0.0,
) -> int:
    """RiLSA t_z of one pair of paths; `crossing` in tenths, the rest in m and m/s, never under 0."""
    clearing = (clearing_m + vehicle_m) / clearing_mps
    entering = entering_m / entering_mps if entering_mps > 0 else 0.0
    return max(tenths(crossing / 10 + clearing - entering), 0)
