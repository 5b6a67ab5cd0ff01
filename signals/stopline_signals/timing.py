"""Clearance times by the book, in tenths of a second, rounded up.

Sources: ITE kinematic yellow and red clearance, MUTCD 2009 4D.26 (yellow 3 to 6 s), MUTCD 4E.06
(3.5 ft/s walking speed), RiLSA intergreen t_z = t_crossing + t_clearing - t_entering.
"""

from __future__ import annotations

import math

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


def yellow_time(speed: float, grade: float = 0.0) -> int:
    """ITE yellow change interval: speed in m/s, grade as a fraction (uphill positive)."""
    seconds = REACTION_S + speed / (2 * DECELERATION_MPS2 + 2 * GRAVITY_MPS2 * grade)
    low, high = YELLOW_RANGE_S
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
