"""Phase masks: here an int whose bit p - 1 is phase p; on the wire a byte for each group of eight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from stopline_cabinets.ntcip.objects import cell
from stopline_cabinets.snmp.codec import Oid, Value, VarBind, integer
from stopline_cabinets.snmp.errors import UnexpectedAnswer

GROUP_SIZE = 8


def mask_of(numbers: Iterable[int]) -> int:
    """The mask of some phases (or overlaps, detectors): 2 and 6 are 0x22."""
    mask = 0
    for number in numbers:
        mask |= 1 << number - 1
    return mask


def numbers_in(mask: int) -> Iterator[int]:
    """The phases of a mask, ascending."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length()
        mask ^= lowest


def groups_for(highest: int) -> int:
    """Groups of eight needed for numbers up to `highest`."""
    return -(-highest // GROUP_SIZE)


def group_value(mask: int, group: int) -> int:
    """The byte of group 1, 2, ... of a mask."""
    return mask >> GROUP_SIZE * (group - 1) & 0xFF


@cache
def cells(column: str, groups: int) -> tuple[Oid, ...]:
    """The cells of a column of group bytes."""
    return tuple(cell(column, group) for group in range(1, groups + 1))


def bindings(column: str, mask: int, groups: int) -> list[VarBind]:
    """A mask as bindings to set: always every group, since the bytes replace what was there."""
    return [
        integer(oid, group_value(mask, group)) for group, oid in enumerate(cells(column, groups), start=1)
    ]


def read_mask(values: Mapping[Oid, Value], column: str, groups: int) -> int:
    """A mask from the values read; groups the device does not have are 0."""
    mask = 0
    for group, oid in enumerate(cells(column, groups)):
        value = values.get(oid, 0)
        if not isinstance(value, int) or not 0 <= value <= 0xFF:
            raise UnexpectedAnswer(f"{column} of group {group + 1} is {value!r}, not a mask of eight")
        mask |= value << GROUP_SIZE * group
    return mask
