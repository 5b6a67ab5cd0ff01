"""The controller's objects out of the data table: parameters, controls, and everything that never changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stopline_cabinets.ntcip.objects import Object, objects
from stopline_cabinets.snmp.codec import ErrorStatus, Oid, Tag, Value
from stopline_hil.ntcip.database import Transaction
from stopline_hil.ntcip.defaults import Key
from stopline_hil.ntcip.mib import Entry, Judge, fixed
from stopline_hil.ntcip.size import ACTIONS, FUNCTIONS, PATTERNS, SEQUENCES, SPLITS, Size
from stopline_hil.ntcip.unit import Unit

_TAGS = {
    "Integer32": Tag.INTEGER,
    "OctetString": Tag.OCTETS,
    "ObjectIdentifier": Tag.OID,
    "Counter32": Tag.COUNTER32,
    "Gauge32": Tag.GAUGE32,
    "Opaque": Tag.OPAQUE,
}
_UNIT_CONTROL_RESERVED = 0b11
_LONGEST_LIST = 64


def tag_of(entry: Object) -> int:
    """The wire type of an object."""
    return _TAGS[entry.type]


def parameters(unit: Unit) -> Iterator[Entry]:
    """Class P and P2."""
    for key in unit.database.parameters():
        yield _parameter(unit, key)
    yield Entry(
        objects()["dbCreateTransaction"].oid,
        Tag.INTEGER,
        lambda: int(unit.database.state),
        lambda value: unit.enter_transaction(value if isinstance(value, int) else 1),
        lambda _tag, value: _may_enter(unit, value),
    )


def controls(unit: Unit) -> Iterator[Entry]:
    """Class C."""
    for name, index in unit.controls.keys:
        yield _control(unit, name, index)


def constants(unit: Unit) -> Iterator[Entry]:
    """Maxima and the columns that number a table's rows."""
    size = unit.size
    for name, value in _maxima(size).items():
        yield fixed(objects()[name].oid, value)
    for name, numbers in _numbered(size).items():
        for number in numbers:
            yield fixed((*objects()[name].oid, number), number)
    for first, second, rows, columns in (
        ("splitNumber", "splitPhase", SPLITS, size.phases),
        ("sequenceNumber", "sequenceRingNumber", SEQUENCES, size.rings),
    ):
        for row in range(1, rows + 1):
            for column in range(1, columns + 1):
                yield fixed((*objects()[first].oid, row, column), row)
                yield fixed((*objects()[second].oid, row, column), column)


def _parameter(unit: Unit, key: Key) -> Entry:
    name, index = key
    database, entry = unit.database, objects()[name]

    def judge(tag: int, value: Value) -> ErrorStatus:
        status = _fits(entry, value)
        return database.may_write(name) if status is ErrorStatus.NO_ERROR else status

    return Entry(
        (*entry.oid, *index),
        tag_of(entry),
        lambda: database.value(key),
        (lambda value: database.write(key, value)) if entry.writable else None,
        judge,
    )


def _control(unit: Unit, name: str, index: int) -> Entry:
    entry = objects()[name]
    oid: Oid = (*entry.oid, index) if entry.index else entry.oid

    def write(value: Value) -> None:
        if isinstance(value, int):
            unit.set_control(name, index, value)

    return Entry(oid, Tag.INTEGER, lambda: unit.controls.get(name, index), write, _control_judge(name, entry))


def _control_judge(name: str, entry: Object) -> Judge:
    """Ranges, reserved bits, and red clearance, which nobody may take away from outside."""

    def judge(_tag: int, value: Value) -> ErrorStatus:
        reserved = name == "unitControl" and isinstance(value, int) and value & _UNIT_CONTROL_RESERVED
        forbidden = name == "ringControlGroupOmitRedClear" and value != 0
        return ErrorStatus.WRONG_VALUE if reserved or forbidden else _fits(entry, value)

    return judge


def _fits(entry: Object, value: Value) -> ErrorStatus:
    if isinstance(value, int):
        return ErrorStatus.NO_ERROR if entry.takes(value) else ErrorStatus.WRONG_VALUE
    if isinstance(value, bytes) and len(value) > _LONGEST_LIST:
        return ErrorStatus.WRONG_LENGTH
    return ErrorStatus.NO_ERROR


def _may_enter(unit: Unit, value: Value) -> ErrorStatus:
    if value not in tuple(Transaction) or not isinstance(value, int):
        return ErrorStatus.WRONG_VALUE
    return ErrorStatus.NO_ERROR if unit.database.may_enter(value) else ErrorStatus.WRONG_VALUE


def _maxima(size: Size) -> dict[str, int]:
    groups = size.groups_of
    return {
        "maxPhases": size.phases,
        "maxPhaseGroups": groups(size.phases),
        "maxVehicleDetectors": size.detectors,
        "maxVehicleDetectorStatusGroups": groups(size.detectors),
        "maxVehicleDetectorControlGroups": groups(size.detectors),
        "activeVolumeOccupancyDetectors": size.detectors,
        "maxPedestrianDetectors": size.buttons,
        "maxAlarmGroups": 1,
        "maxSpecialFunctionOutputs": FUNCTIONS,
        "maxPatterns": PATTERNS,
        "patternTableType": 2,
        "maxSplits": SPLITS,
        "maxTimebaseAscActions": ACTIONS,
        "maxPreempts": size.preempts,
        "maxRings": size.rings,
        "maxSequences": SEQUENCES,
        "maxRingControlGroups": 1,
        "maxChannels": size.channels,
        "maxChannelStatusGroups": groups(size.channels),
        "maxOverlaps": size.overlaps,
        "maxOverlapStatusGroups": groups(size.overlaps),
        "maxPort1Addresses": 0,
        "globalMaxModules": 1,
    }


def _numbered(size: Size) -> dict[str, Iterable[int]]:
    def to(last: int) -> Iterable[int]:
        return range(1, last + 1)

    groups = size.groups_of
    return {
        "phaseNumber": to(size.phases),
        "phaseStatusGroupNumber": to(groups(size.phases)),
        "phaseControlGroupNumber": to(groups(size.phases)),
        "vehicleDetectorNumber": to(size.detectors),
        "vehicleDetectorStatusGroupNumber": to(groups(size.detectors)),
        "pedestrianDetectorNumber": to(size.buttons),
        "alarmGroupNumber": to(1),
        "specialFunctionOutputNumber": to(FUNCTIONS),
        "patternNumber": to(PATTERNS),
        "timebaseAscActionNumber": to(ACTIONS),
        "preemptNumber": to(size.preempts),
        "preemptControlNumber": to(size.preempts),
        "ringControlGroupNumber": to(1),
        "channelNumber": to(size.channels),
        "channelStatusGroupNumber": to(groups(size.channels)),
        "overlapNumber": to(size.overlaps),
        "overlapStatusGroupNumber": to(groups(size.overlaps)),
        "moduleNumber": to(1),
    }
