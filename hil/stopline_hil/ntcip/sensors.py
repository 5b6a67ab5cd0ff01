"""Detector inputs and push buttons: states, calls, counts, occupancy and diagnosis.

A zone sensor switches several inputs, one for each vehicle in it and one for each that stands (see
`stopline_cabinets.ntcip.feeds`). Pedestrian detector n is the plan's n-th button. A remote actuation bit
counts like the sensor itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stopline_cabinets.ntcip.feeds import Feed, inputs_on
from stopline_hil.ntcip.database import Database
from stopline_hil.ntcip.defaults import CALL, OCCUPANCY, PASSAGE, VOLUME
from stopline_hil.ntcip.hires import Code
from stopline_hil.ntcip.phases import Phases
from stopline_signals.detectors import DetectorReading
from stopline_signals.plan import DetectorKind

OPEN_LOOP_OCCUPANCY = 212
NO_ACTIVITY, MAX_PRESENCE, ERRATIC = 1, 2, 4
"""Bits of vehicleDetectorAlarms."""
_FAULT_OCCUPANCY = ((MAX_PRESENCE, 210), (NO_ACTIVITY, 211), (ERRATIC, 217))
OPEN_LOOP = 4
"""Bit of vehicleDetectorReportedAlarms."""
HIGHEST_VOLUME, OVERFLOW = 254, 255
MINUTE = 600

Log = Callable[[int, int, int], None]


class Settings(NamedTuple):
    """What the database says of one input; times in tenths, `silent` and `present` in minutes."""

    options: int
    phase: int
    switch: int
    delay: int
    extend: int
    silent: int
    present: int
    erratic: int

    @property
    def timed(self) -> bool:
        """Whether its state may change while the street's does not."""
        return any(self[3:])


_COLUMNS = (
    "Options",
    "CallPhase",
    "SwitchPhase",
    "Delay",
    "Extend",
    "NoActivity",
    "MaxPresence",
    "ErraticCounts",
)


@dataclass(slots=True)
class Input:
    """One vehicle detector; times in tenths."""

    number: int
    occupied: bool = False
    active: bool = False
    broken: bool = False
    since: int = 0
    active_since: int = 0
    count: int = 0
    busy: int = 0
    minute: int = 0
    per_minute: int = 0
    alarms: int = 0
    volume: int = 0
    occupancy: int = 0


class Sensors:
    """All detectors of one controller; masks have number 1 in bit 0."""

    def __init__(self, phases: Phases, database: Database, feeds: Mapping[str, Feed], log: Log) -> None:
        detectors = phases.given.detectors
        self._database = database
        self._log = log
        self._feeds = [
            (at, feeds[detector.name])
            for at, detector in enumerate(detectors)
            if detector.kind is not DetectorKind.BUTTON
        ]
        self._buttons = [at for at, d in enumerate(detectors) if d.kind is DetectorKind.BUTTON]
        numbers = sorted(n for _, feed in self._feeds for n in (*feed.presence, *feed.queue))
        self.inputs = {number: Input(number) for number in numbers}
        self.sequence = 0
        self.active = self.alarms = self.pressed = 0
        """Inputs that are on, inputs with a fault, buttons that are pressed."""
        self.latched = self.calls = self.near = 0
        """Phases with a pedestrian waiting, phases called, phases extended."""
        self._readings: tuple[DetectorReading, ...] = (DetectorReading(),) * len(detectors)
        self._on: set[int] = set()
        self._known: tuple[tuple[DetectorReading, ...], int] | None = None
        self._period_from = 0
        self.reload()

    def reload(self) -> None:
        """The database changed."""
        number = self._database.number
        self._settings = {
            n: Settings._make(number(f"vehicleDetector{column}", n) for column in _COLUMNS)
            for n in self.inputs
        }
        self._period = 10 * number("volumeOccupancyPeriod")
        self._button_phase = [
            number("pedestrianDetectorCallPhase", n) for n in range(1, len(self._buttons) + 1)
        ]
        self._timed = any(settings.timed for settings in self._settings.values())
        self._known = None

    def see(self, readings: Sequence[DetectorReading]) -> None:
        """What the street's sensors report, aligned with the plan's detectors."""
        self._readings = tuple(readings)

    def tick(self, now: int, actuated: int, pressed: int, served: int) -> None:
        """One grid point: `actuated` and `pressed` are remote bits, `served` the green phases."""
        if self._timed or self._known != (self._readings, actuated):
            self._known = (self._readings, actuated)
            self._look(now, actuated, served)
        self._press(now, pressed)
        if self._period and now - self._period_from >= self._period:
            self._close_period(now)

    def serve(self, walking: int) -> None:
        """Phases whose walk is shown: their buttons are answered."""
        self.latched &= ~walking

    def _look(self, now: int, actuated: int, served: int) -> None:
        on: set[int] = set()
        for at, feed in self._feeds:
            reading = self._readings[at]
            on |= inputs_on(feed, reading)
            for number in (*feed.presence, *feed.queue):
                self._note_health(self.inputs[number], reading.healthy, now)
        active = alarms = calls = near = 0
        for number, one in self.inputs.items():
            settings = self._settings[number]
            self._sense(one, number in on or bool(actuated >> number - 1 & 1), now, settings)
            bit = 1 << number - 1
            active |= bit if one.active else 0
            faulty = one.broken or one.alarms
            alarms |= bit if faulty else 0
            if one.active or faulty:
                called, extended = _effect(settings, served)
                calls |= called
                near |= extended
        self.active, self.alarms, self.calls, self.near = active, alarms, calls, near

    def _note_health(self, one: Input, healthy: bool, now: int) -> None:
        if healthy is one.broken:
            one.broken = not healthy
            self._log(now, Code.DETECTOR_RESTORED if healthy else Code.DETECTOR_OPEN_LOOP, one.number)

    def _sense(self, one: Input, occupied: bool, now: int, settings: Settings) -> None:
        if now - one.minute >= MINUTE:
            one.minute, one.per_minute = now, 0
        if occupied is not one.occupied:
            one.occupied, one.since = occupied, now
            one.count += occupied
            one.per_minute += occupied
        lasted = now - one.since
        active = lasted >= settings.delay if occupied else one.active and lasted < settings.extend
        if active is not one.active:
            one.active = active
            if active:
                one.active_since = now
            else:
                one.busy += now - max(one.active_since, self._period_from)
            self._log(now, Code.DETECTOR_ON if active else Code.DETECTOR_OFF, one.number)
        if settings.timed or one.alarms:
            self._diagnose(one, now, settings)

    def _diagnose(self, one: Input, now: int, settings: Settings) -> None:
        lasted, alarms = now - one.since, 0
        if settings.silent and not one.occupied and lasted > settings.silent * MINUTE:
            alarms |= NO_ACTIVITY
        if settings.present and one.occupied and lasted > settings.present * MINUTE:
            alarms |= MAX_PRESENCE
        if settings.erratic and one.per_minute > settings.erratic:
            alarms |= ERRATIC
        if bool(alarms) is not bool(one.alarms):
            self._log(now, Code.DETECTOR_OTHER_FAULT if alarms else Code.DETECTOR_RESTORED, one.number)
        one.alarms = alarms

    def _press(self, now: int, remote: int) -> None:
        for number, at in enumerate(self._buttons, start=1):
            reading = self._readings[at]
            down = reading.vehicles > 0 or not reading.healthy or bool(remote >> number - 1 & 1)
            bit = 1 << number - 1
            if down is not bool(self.pressed & bit):
                self.pressed ^= bit
                self._log(now, Code.PED_DETECTOR_ON if down else Code.PED_DETECTOR_OFF, number)
            phase = self._button_phase[number - 1]
            if down and phase:
                self.latched |= 1 << phase - 1

    def _close_period(self, now: int) -> None:
        lasted = now - self._period_from
        self.sequence = self.sequence + 1 & 0xFF
        for number, one in self.inputs.items():
            options = self._settings[number].options
            if one.active:
                one.busy += now - max(one.active_since, self._period_from)
            counted = one.count if one.count <= HIGHEST_VOLUME else OVERFLOW
            one.volume = counted if options >> VOLUME & 1 else 0
            one.occupancy = _occupancy(one, lasted) if options >> OCCUPANCY & 1 else 0
            one.count = one.busy = 0
        self._period_from = now


def _effect(settings: Settings, served: int) -> tuple[int, int]:
    """Phases an input calls and extends; a switched one works for another phase while its own is red."""
    phase = settings.phase
    if settings.switch and not served >> phase - 1 & 1 and served >> settings.switch - 1 & 1:
        phase = settings.switch
    if not phase:
        return 0, 0
    bit = 1 << phase - 1
    return bit if settings.options >> CALL & 1 else 0, bit if settings.options >> PASSAGE & 1 else 0


def _occupancy(one: Input, lasted: int) -> int:
    """In half per cent, or the number of the fault."""
    if one.broken:
        return OPEN_LOOP_OCCUPANCY
    for alarm, value in _FAULT_OCCUPANCY:
        if one.alarms & alarm:
            return value
    return min(200, 200 * one.busy // lasted)
