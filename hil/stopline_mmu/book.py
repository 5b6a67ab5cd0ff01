"""The clearance book read a second time, by code that shares nothing with the rule book.

Guidelines ask that two people compute the intergreens of a junction and compare them. This is the second one:
it takes the rows of a plan file as plain data (times in tenths, metres, m/s), counts in exact fractions, and
returns tenths of a second, rounded up.

Sources: ITE RP-040B (2020), MUTCD 11th ed. 4F.17 and 4I.06, RiLSA 2015 2.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

Number = int | float | Fraction

DUST = Fraction(1, 2_000_000)
"""Tenths; a value this little over a whole tenth is that tenth."""


def intergreens(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """Longest RiLSA intergreen of each (ending, starting) pair of group names in a plan's `path` rows."""
    longest: dict[tuple[str, str], int] = {}
    for row in rows:
        pair = str(row["ending"]), str(row["starting"])
        value = intergreen(row)
        if pair not in longest or longest[pair] < value:
            longest[pair] = value
    return longest


def intergreen(row: Mapping[str, Any]) -> int:
    """Crossing + clearing - entering time of one `path` row."""
    leave = _exact(row["clearing_m"]) + _exact(row["vehicle_m"])
    ten_times = _exact(row["crossing_time"]) + 10 * leave / _exact(row["clearing_mps"])
    approach = _exact(row.get("entering_m", 0))
    if approach:
        ten_times -= 10 * approach / _exact(row["entering_mps"])
    return max(_up(ten_times), 0)


def yellow(speed: Number, grade: Number = 0, turn_speed: Number = 0) -> int:
    """Reaction of 1 s, then braking at 3.05 m/s2 helped or hindered by the grade; 3 to 6 s."""
    v, slowing = _exact(speed), Fraction("3.05") + Fraction("9.81") * _exact(grade)
    if slowing <= 0:
        return 60
    into = _exact(turn_speed)
    if not 0 < into < v:
        into = v
    ten_times = 10 + 10 * (v - into) / slowing + 10 * into / (2 * slowing)
    return _up(sorted((Fraction(30), ten_times, Fraction(60)))[1])


def red(width: Number, speed: Number, vehicle: Number = 6) -> int:
    """Time to travel the width and a vehicle's own length; up to 6 s, and 6 s for who stands still."""
    v = _exact(speed)
    if v <= 0:
        return 60
    return _up(min(Fraction(60), 10 * (_exact(width) + _exact(vehicle)) / v))


def pedestrian_change(crossing: Number) -> int:
    """Time to cross at 3.5 ft/s (1.07 m/s)."""
    return _up(10 * _exact(crossing) / Fraction("1.07"))


def walk(crossing: Number) -> int:
    """7 s, or what walk and clearance need for 3.0 ft/s (0.91 m/s) from 6 ft behind the kerb."""
    whole = _up(10 * (_exact(crossing) + Fraction("1.83")) / Fraction("0.91"))
    return max(70, whole - pedestrian_change(crossing))


def _exact(value: Number) -> Fraction:
    """What was written, not its nearest binary fraction."""
    return Fraction(str(value)) if isinstance(value, float) else Fraction(value)


def _up(ten_times: Fraction) -> int:
    whole = ten_times.numerator // ten_times.denominator
    return whole + (ten_times - whole > DUST)
