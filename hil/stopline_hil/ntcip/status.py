"""Class S: what the controller says about itself, read out of the unit at the moment it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from stopline_cabinets.ntcip.objects import SYS_DESCR, SYS_UP_TIME, objects
from stopline_cabinets.snmp.codec import Oid, Tag, Value
from stopline_hil.ntcip.alarms import Alarms
from stopline_hil.ntcip.hires import Code
from stopline_hil.ntcip.mib import Entry, fixed, octets
from stopline_hil.ntcip.sensors import OPEN_LOOP, Input
from stopline_hil.ntcip.size import ACTIONS, FUNCTIONS
from stopline_hil.ntcip.tables import tag_of
from stopline_hil.ntcip.unit import Unit
from stopline_signals.plan import Aspect

MAKE, MODEL, VERSION = "Stopline", "virtual ASC", "1202 v02"
SYSTEM: Oid = (1, 3, 6, 1, 2, 1, 1)
NODE: Oid = (1, 3, 6, 1, 4, 1, 1206, 4, 2, 1)
MIN_GREEN, EXTENSION, MAXIMUM, GREEN_REST, YELLOW, RED_CLEAR, RED_REST = range(7)
"""Codes of ringStatus."""

Mask = Callable[[], int]


def status(unit: Unit, now: Callable[[], int], booted: Callable[[], int]) -> Iterator[Entry]:
    """All status objects; `now` and `booted` are in tenths."""
    alarms = Alarms(unit)
    yield from _system(unit, now, booted)
    yield from _masks(unit)
    yield from _detectors(unit)
    yield from _unit(unit, alarms)
    yield from _coordination(unit, now)
    yield from _database(unit, now)
    for number in range(1, unit.size.preempts + 1):
        yield _of("preemptState", partial(_preempt_state, unit, number), number)
    for ring in range(1, unit.size.rings + 1):
        yield _of("ringStatus", partial(ring_status, unit, ring), ring)


def ring_status(unit: Unit, ring: int) -> int:
    """What a ring times now, and why its green ended last."""
    shown = unit.lamps.shown
    for phase in (phase for phase, own in unit.phases.ring_of.items() if own == ring):
        bit = 1 << phase - 1
        if shown.greens & bit:
            return _green_status(unit, phase)
        if shown.yellows & bit or shown.clearing & bit:
            reason = unit.actuation.reasons.get(phase, Code.FORCE_OFF)
            ended = {Code.GAP_OUT: 8, Code.MAX_OUT: 16, Code.FORCE_OFF: 32}[reason]
            return ended | (YELLOW if shown.yellows & bit else RED_CLEAR)
    return RED_REST


def _green_status(unit: Unit, phase: int) -> int:
    now = unit.now
    if now - unit.lamps.since[phase] < unit.actuation.minimum[phase]:
        return MIN_GREEN
    if phase not in unit.actuation.opposed:
        return GREEN_REST
    return MAXIMUM if unit.actuation.reasons.get(phase) is Code.MAX_OUT else EXTENSION


def _preempt_state(unit: Unit, number: int) -> int:
    return int(unit.preempts.states[number - 1])


def _system(unit: Unit, now: Callable[[], int], booted: Callable[[], int]) -> Iterator[Entry]:
    yield fixed(SYS_DESCR, octets(f"{MAKE} {MODEL}, NTCIP {VERSION}"), Tag.OCTETS)
    yield fixed((*SYSTEM, 2, 0), NODE, Tag.OID)
    yield Entry(SYS_UP_TIME, Tag.TIME_TICKS, lambda: 10 * (now() - booted()) & 0xFFFF_FFFF)
    yield fixed((*SYSTEM, 4, 0), b"", Tag.OCTETS)
    yield fixed((*SYSTEM, 5, 0), octets(unit.phases.given.junction), Tag.OCTETS)
    yield fixed((*SYSTEM, 6, 0), octets(unit.phases.given.junction), Tag.OCTETS)
    yield fixed((*SYSTEM, 7, 0), 72)
    for name, value in (("moduleMake", MAKE), ("moduleModel", MODEL), ("moduleVersion", VERSION)):
        yield fixed((*objects()[name].oid, 1), octets(value), Tag.OCTETS)
    yield fixed((*objects()["moduleDeviceNode"].oid, 1), NODE, Tag.OID)
    yield fixed((*objects()["moduleType"].oid, 1), 3)


def _masks(unit: Unit) -> Iterator[Entry]:
    groups = unit.size.groups_of
    phases: dict[str, Mask] = {
        "phaseStatusGroupReds": lambda: unit.lamps.shown.reds,
        "phaseStatusGroupYellows": lambda: unit.lamps.shown.yellows,
        "phaseStatusGroupGreens": lambda: unit.lamps.shown.greens,
        "phaseStatusGroupDontWalks": lambda: unit.lamps.shown.dont_walks,
        "phaseStatusGroupPedClears": lambda: unit.lamps.shown.ped_clears,
        "phaseStatusGroupWalks": lambda: unit.lamps.shown.walks,
        "phaseStatusGroupVehCalls": lambda: unit.actuation.calls,
        "phaseStatusGroupPedCalls": lambda: unit.actuation.ped_calls,
        "phaseStatusGroupPhaseOns": lambda: unit.lamps.shown.ons,
        "phaseStatusGroupPhaseNexts": lambda: nexts(unit),
    }
    overlaps: dict[str, Mask] = {
        "overlapStatusGroupReds": lambda: unit.lamps.shown.overlap_reds,
        "overlapStatusGroupYellows": lambda: unit.lamps.shown.overlap_yellows,
        "overlapStatusGroupGreens": lambda: unit.lamps.shown.overlap_greens,
    }
    channels: dict[str, Mask] = {
        "channelStatusGroupReds": lambda: _channels(unit, Aspect.RED, Aspect.RED),
        "channelStatusGroupYellows": lambda: _channels(unit, Aspect.YELLOW, Aspect.YELLOW),
        "channelStatusGroupGreens": lambda: _channels(unit, Aspect.PERMISSIVE, Aspect.GREEN),
    }
    for masks, count in (
        (phases, groups(unit.size.phases)),
        (overlaps, groups(unit.size.overlaps)),
        (channels, groups(unit.size.channels)),
    ):
        for name, read in masks.items():
            lamp = name.endswith(("Reds", "Yellows", "Greens", "Walks", "PedClears"))
            for group in range(1, count + 1):
                yield _byte(unit, name, read, group, lamp=lamp)


def nexts(unit: Unit) -> int:
    """Phases decided on and not yet green."""
    if not unit.state.in_transition or not unit.started:
        return 0
    return unit.phases.stages[unit.state.stage] & ~unit.lamps.shown.greens


def _byte(unit: Unit, name: str, read: Mask, group: int, *, lamp: bool = False) -> Entry:
    """Eight bits of a mask; lamps are all off while they flash."""
    shift = 8 * (group - 1)

    def value() -> int:
        return read() >> shift & 0xFF if unit.lit or not lamp else 0

    return _of(name, value, group)


def _channels(unit: Unit, low: Aspect, high: Aspect) -> int:
    return sum(1 << group for group, aspect in enumerate(unit.state.aspects) if low <= aspect <= high)


def _detectors(unit: Unit) -> Iterator[Entry]:
    sensors = unit.sensors
    masks: dict[str, tuple[Mask, int]] = {
        "vehicleDetectorStatusGroupActive": (lambda: sensors.active, unit.size.detectors),
        "vehicleDetectorStatusGroupAlarms": (lambda: sensors.alarms, unit.size.detectors),
        "pedestrianDetectorStatusGroupActive": (lambda: sensors.pressed, unit.size.buttons),
    }
    for name, (read, count) in masks.items():
        for group in range(1, unit.size.groups_of(count) + 1):
            yield _byte(unit, name, read, group)
    yield _of("volumeOccupancySequence", lambda: sensors.sequence)
    for one in sensors.inputs.values():
        yield from _detector(one)
    for number in range(1, unit.size.buttons + 1):
        yield _of("pedestrianDetectorAlarms", lambda: 0, number)


def _detector(one: Input) -> Iterator[Entry]:
    yield _of("vehicleDetectorAlarms", lambda: one.alarms, one.number)
    yield _of("vehicleDetectorReportedAlarms", lambda: OPEN_LOOP * one.broken, one.number)
    yield _of("detectorVolume", lambda: one.volume, one.number)
    yield _of("detectorOccupancy", lambda: one.occupancy, one.number)


def _unit(unit: Unit, alarms: Alarms) -> Iterator[Entry]:
    yield _of("unitControlStatus", lambda: int(unit.control_status))
    yield _of("unitFlashStatus", lambda: int(unit.flash_status))
    yield _of("unitAlarmStatus1", alarms.status_1)
    yield _of("unitAlarmStatus2", alarms.status_2)
    yield _of("shortAlarmStatus", alarms.short)
    yield _of("alarmGroupState", lambda: int(unit.tripped), 1)
    for number in range(1, FUNCTIONS + 1):
        read = partial(unit.controls.get, "specialFunctionOutputControl", number)
        yield _of("specialFunctionOutputStatus", read, number)


def _coordination(unit: Unit, now: Callable[[], int]) -> Iterator[Entry]:
    def countdown() -> int:
        cycle, within = unit.coordinator.cycle(now())
        return (cycle - within) // 10

    yield _of("coordPatternStatus", lambda: unit.coordinator.number)
    yield _of("localFreeStatus", lambda: int(unit.coordinator.free))
    yield _of("coordCycleStatus", countdown)
    yield _of("coordSyncStatus", lambda: unit.coordinator.cycle(now())[1] // 10)
    yield _of("timebaseAscActionStatus", lambda: 1 if ACTIONS else 0)


def _database(unit: Unit, now: Callable[[], int]) -> Iterator[Entry]:
    database = unit.database
    yield _of("globalSetIDParameter", lambda: database.set_id)
    yield _of("dbErrorType", lambda: 6 if database.error else 7)
    yield _of("dbVerifyStatus", lambda: (1 if database.error else 2) if database.verified else 0)
    yield _of("dbVerifyError", lambda: octets(database.error))

    def set_time(value: Value) -> None:
        if isinstance(value, int):
            unit.set_clock(float(value), now())

    yield Entry(objects()["globalTime"].oid, Tag.COUNTER32, lambda: unit.clock(now()), set_time)


def _of(name: str, read: Callable[[], Value], *index: int) -> Entry:
    entry = objects()[name]
    return Entry((*entry.oid, *index), tag_of(entry), read)
