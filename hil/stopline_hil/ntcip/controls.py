"""Class C: the control objects, and the backup timer that sets them all to zero when nobody renews them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

PHASE_MASKS = (
    "phaseControlGroupPhaseOmit",
    "phaseControlGroupPedOmit",
    "phaseControlGroupHold",
    "phaseControlGroupForceOff",
    "phaseControlGroupVehCall",
    "phaseControlGroupPedCall",
)
RING_MASKS = (
    "ringControlGroupStopTime",
    "ringControlGroupForceOff",
    "ringControlGroupMax2",
    "ringControlGroupMaxInhibit",
    "ringControlGroupPedRecycle",
    "ringControlGroupRedRest",
    "ringControlGroupOmitRedClear",
)
ACTUATIONS = ("vehicleDetectorControlGroupActuation", "pedestrianDetectorControlGroupActuation")
"""Remote actuation of detectors (v03): not under the backup timer, whose list does not name them."""

Key = tuple[str, int]
Changed = Callable[[str, int, int], None]


class Controls:
    """Values by name and index (scalars have index 0), all zero at start; masks come in bytes of eight."""

    def __init__(
        self, *, phase_groups: int, detector_groups: int, ped_groups: int, preempts: int, functions: int
    ) -> None:
        keys: list[Key] = [(name, g) for name in PHASE_MASKS for g in range(1, phase_groups + 1)]
        keys += [(name, 1) for name in RING_MASKS]
        keys += [("systemPatternControl", 0), ("systemSyncControl", 0), ("unitControl", 0)]
        keys += [("preemptControlState", n) for n in range(1, preempts + 1)]
        keys += [("specialFunctionOutputControl", n) for n in range(1, functions + 1)]
        self.listed = tuple(keys)
        """What a SET of restarts the backup timer, and what Backup Mode zeroes."""
        keys += [(ACTUATIONS[0], g) for g in range(1, detector_groups + 1)]
        keys += [(ACTUATIONS[1], g) for g in range(1, ped_groups + 1)]
        self.keys = tuple(keys)
        self.changed: Changed | None = None
        """Called with name, index and the bits that changed."""
        self._values: dict[Key, int] = dict.fromkeys(keys, 0)
        self._masks: dict[str, int] = {}

    def get(self, name: str, index: int = 0) -> int:
        """One value."""
        return self._values[name, index]

    def set(self, name: str, index: int, value: int) -> None:
        """Store one value."""
        before = self._values[name, index]
        if value != before:
            self._values[name, index] = value
            self._masks.pop(name, None)
            if self.changed is not None:
                self.changed(name, index, value ^ before)

    def mask(self, name: str) -> int:
        """All groups of a mask in one number; also the preempts asked for (their states as bits)."""
        found = self._masks.get(name)
        if found is None:
            width = 1 if name == "preemptControlState" else 8
            found = self._masks[name] = sum(
                value << width * (index - 1) for (own, index), value in self._values.items() if own == name
            )
        return found

    def clear_bits(self, name: str, bits: int) -> None:
        """Take bits off a mask."""
        for index in self._groups(name):
            part = bits >> 8 * (index - 1) & 0xFF
            if part:
                self.set(name, index, self._values[name, index] & ~part)

    def zero(self) -> None:
        """Set every listed object to zero."""
        for name, index in self.listed:
            self.set(name, index, 0)

    @property
    def idle(self) -> bool:
        """Whether nothing at all is asked for."""
        return not any(self._values[key] for key in self.listed)

    def _groups(self, name: str) -> Iterator[int]:
        return (index for own, index in self.keys if own == name)


class BackupTimer:
    """One timer for all control objects; `limit` tenths, 0 is off. Reading never feeds it."""

    def __init__(self) -> None:
        self.expired = False
        self._fed_at: int | None = None

    @property
    def running(self) -> bool:
        """Whether somebody controls, or did until not long ago."""
        return self._fed_at is not None

    def feed(self, now: int) -> None:
        """A control object was set."""
        self._fed_at = now
        self.expired = False

    def check(self, now: int, limit: int) -> bool:
        """True at the moment Backup Mode begins."""
        if self._fed_at is None or not limit or now - self._fed_at < limit:
            return False
        self._fed_at = None
        self.expired = True
        return True

    def reset(self) -> None:
        """As after power-up."""
        self.expired = False
        self._fed_at = None
