"""Detectors and push buttons: states, calls, counts, occupancy and diagnosis.

Vehicle detector n is the plan's n-th zone, pedestrian detector n its n-th button. A remote actuation bit
counts like the sensor itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stopline_hil.ntcip.database import Database
from stopline_hil.ntcip.defaults import CALL, OCCUPANCY, PASSAGE, VOLUME
from stopline_hil.ntcip.hires import Code
from stopline_hil.ntcip.phases import Phases
from stopline_signals.detectors import DetectorReading
from stopline_signals.plan import DetectorKind

OPEN_LOOP_OCCUPANCY, NO_ACTIVITY_OCCUPANCY, MAX_PRESENCE_OCCUPANCY, ERRATIC_OCCUPANCY = 212, 211, 210, 217
NO_ACTIVITY, MAX_PRESENCE, ERRATIC, COMMUNICATION = 1, 2, 4, 8
"""Bits of vehicleDetectorAlarms."""
OPEN_LOOP = 4
"""Bit of vehicleDetectorReportedAlarms."""
HIGHEST_VOLUME, OVERFLOW = 254, 255
MINUTE = 600

Log = Callable[[int, int, int], None]


@dataclass(slots=True)
class Zone:
    """One vehicle detector; times in tenths."""

    number: int
    occupied: bool = False
    active: bool = False
    vehicles: int = 0
    on_since: int = 0
    off_since: int = 0
    count: int = 0
    busy: int = 0
    minute: int = 0
    per_minute: int = 0
    alarms: int = 0
    broken: bool = False
    volume: int = 0
    occupancy: int = 0


class Sensors:
    """All detectors of one controller."""

    def __init__(self, phases: Phases, database: Database, log: Log) -> None:
        self._plan = phases.given
        self._database = database
        self._log = log
        kinds = [detector.kind for detector in phases.given.detectors]
        self._zones = [at for at, kind in enumerate(kinds) if kind is not DetectorKind.BUTTON]
        self._buttons = [at for at, kind in enumerate(kinds) if kind is DetectorKind.BUTTON]
        self.zones = [Zone(number) for number in range(1, len(self._zones) + 1)]
        self.sequence = 0
        self.active = 0
        """Mask of active vehicle detectors."""
        self.pressed = 0
        """Mask of pressed buttons."""
        self.latched = 0
        """Mask of phases with a pedestrian waiting."""
        self.calls = 0
        self.near = 0
        """Masks of phases that are called, and that are extended."""
        self._readings: Sequence[DetectorReading] = ()
        self._period_from = 0
        self._options: list[tuple[int, int, int, int, int]] = []
        self._button_phase: list[int] = []
        self.reload()

    def reload(self) -> None:
        """The database changed."""
        number = self._database.number
        names = ("Options", "CallPhase", "SwitchPhase", "Delay", "Extend")
        self._options = [
            (
                number(f"vehicleDetector{names[0]}", zone.number),
                number(f"vehicleDetector{names[1]}", zone.number),
                number(f"vehicleDetector{names[2]}", zone.number),
                number(f"vehicleDetector{names[3]}", zone.number),
                number(f"vehicleDetector{names[4]}", zone.number),
            )
            for zone in self.zones
        ]
        count = len(self._buttons)
        self._button_phase = [number("pedestrianDetectorCallPhase", n) for n in range(1, count + 1)]

    def see(self, readings: Sequence[DetectorReading]) -> None:
        """What the street's sensors report, aligned with the plan's detectors."""
        self._readings = tuple(readings)

    def tick(self, now: int, step: int, actuated: int, pressed: int, served: int) -> None:
        """One grid point: `actuated` and `pressed` are remote bits, `served` the green phases."""
        calls = near = active = 0
        for zone, options in zip(self.zones, self._options, strict=True):
            self._sense(zone, bool(actuated >> zone.number - 1 & 1), now, options)
            if zone.active:
                active |= 1 << zone.number - 1
                zone.busy += step
                call, extend = self._effect(zone, options, served, now)
                calls |= call
                near |= extend
        self._press(now, pressed)
        self.active, self.calls, self.near = active, calls, near
        self._period(now)

    def serve(self, walking: int) -> None:
        """Phases (mask) whose walk is shown: their buttons are answered."""
        self.latched &= ~walking

    def _sense(self, zone: Zone, actuated: bool, now: int, options: tuple[int, ...]) -> None:
        reading = self._reading(self._zones[zone.number - 1])
        if reading.healthy == zone.broken:
            zone.broken = not reading.healthy
            self._log(
                now, Code.DETECTOR_RESTORED if reading.healthy else Code.DETECTOR_OPEN_LOOP, zone.number
            )
        occupied = reading.vehicles > 0 or actuated
        arrived = max(0, reading.vehicles - zone.vehicles) + (actuated and not zone.occupied)
        zone.vehicles = reading.vehicles
        zone.count += arrived
        if now - zone.minute >= MINUTE:
            zone.minute, zone.per_minute = now, 0
        zone.per_minute += arrived
        if occupied != zone.occupied:
            zone.occupied = occupied
            if occupied:
                zone.on_since = now
            else:
                zone.off_since = now
        delay, extend = options[3], options[4]
        active = occupied and now - zone.on_since >= delay
        active = active or (not occupied and zone.active and now - zone.off_since < extend)
        if active != zone.active:
            zone.active = active
            self._log(now, Code.DETECTOR_ON if active else Code.DETECTOR_OFF, zone.number)
        self._diagnose(zone, now)

    def _effect(
        self, zone: Zone, options: tuple[int, int, int, int, int], served: int, now: int
    ) -> tuple[int, int]:
        """Phases an active detector calls and extends; a switched one works for another phase in red."""
        bits, phase, switch = options[0], options[1], options[2]
        if switch and not served >> phase - 1 & 1 and served >> switch - 1 & 1:
            phase = switch
        if not phase:
            return 0, 0
        bit = 1 << phase - 1
        return bit if bits >> CALL & 1 else 0, bit if bits >> PASSAGE & 1 else 0

    def faulty_calls(self) -> int:
        """Phases of faulty detectors: they are on recall."""
        calls = 0
        for zone, options in zip(self.zones, self._options, strict=True):
            if (zone.broken or zone.alarms) and options[1]:
                calls |= 1 << options[1] - 1
        return calls

    def _press(self, now: int, remote: int) -> None:
        for number, at in enumerate(self._buttons, start=1):
            reading = self._reading(at)
            down = reading.vehicles > 0 or not reading.healthy or bool(remote >> number - 1 & 1)
            bit = 1 << number - 1
            if down != bool(self.pressed & bit):
                self.pressed ^= bit
                self._log(now, Code.PED_DETECTOR_ON if down else Code.PED_DETECTOR_OFF, number)
            phase = self._button_phase[number - 1]
            if down and phase:
                self.latched |= 1 << phase - 1

    def _diagnose(self, zone: Zone, now: int) -> None:
        lookup, number = self._database.number, zone.number
        silent, present = (
            lookup("vehicleDetectorNoActivity", number),
            lookup("vehicleDetectorMaxPresence", number),
        )
        erratic = lookup("vehicleDetectorErraticCounts", number)
        alarms = 0
        if silent and not zone.occupied and now - zone.off_since > silent * MINUTE:
            alarms |= NO_ACTIVITY
        if present and zone.occupied and now - zone.on_since > present * MINUTE:
            alarms |= MAX_PRESENCE
        if erratic and zone.per_minute > erratic:
            alarms |= ERRATIC
        if bool(alarms) != bool(zone.alarms):
            self._log(now, Code.DETECTOR_OTHER_FAULT if alarms else Code.DETECTOR_RESTORED, number)
        zone.alarms = alarms

    def _period(self, now: int) -> None:
        period = 10 * self._database.number("volumeOccupancyPeriod")
        lasted = now - self._period_from
        if not period or lasted < period:
            return
        self._period_from = now
        self.sequence = self.sequence + 1 & 0xFF
        for zone, options in zip(self.zones, self._options, strict=True):
            counted = zone.count if zone.count <= HIGHEST_VOLUME else OVERFLOW
            zone.volume = counted if options[0] >> VOLUME & 1 else 0
            zone.occupancy = _occupancy(zone, lasted) if options[0] >> OCCUPANCY & 1 else 0
            zone.count = zone.busy = 0

    def _reading(self, at: int) -> DetectorReading:
        return self._readings[at] if self._readings else DetectorReading()


def _occupancy(zone: Zone, lasted: int) -> int:
    """In half per cent, or the number of the fault."""
    if zone.broken:
        return OPEN_LOOP_OCCUPANCY
    for alarm, value in (
        (MAX_PRESENCE, MAX_PRESENCE_OCCUPANCY),
        (NO_ACTIVITY, NO_ACTIVITY_OCCUPANCY),
        (ERRATIC, ERRATIC_OCCUPANCY),
    ):
        if zone.alarms & alarm:
            return value
    return min(200, 200 * zone.busy // lasted)
