"""Class P and P2: the parameters, the transaction that changes several at once, and the number that tells."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from enum import IntEnum

from stopline_cabinets.snmp.codec import ErrorStatus, Value
from stopline_hil.ntcip.defaults import Key
from stopline_hil.ntcip.phases import Phases

STRUCTURAL = frozenset(
    {
        "phaseStartup",
        "phaseRing",
        "phaseConcurrency",
        "sequenceData",
        "overlapType",
        "overlapIncludedPhases",
        "overlapModifierPhases",
        "channelControlSource",
        "channelControlType",
        "preemptTrackPhase",
        "preemptDwellPhase",
        "preemptDwellPed",
        "preemptExitPhase",
    }
)
"""Class P2: what may only be set within a transaction."""

VERIFY_TENTHS = 5


class Transaction(IntEnum):
    """States of dbCreateTransaction."""

    NORMAL = 1
    TRANSACTION = 2
    VERIFYING = 3
    DONE = 6


class Database:
    """Values by object name and index; `changed` is called after every change that took effect."""

    def __init__(self, phases: Phases, values: dict[Key, Value]) -> None:
        self.initial = dict(values)
        self.state = Transaction.NORMAL
        self.error = ""
        """What the last verification found, empty when all was well."""
        self.verified = False
        self.revision = 0
        self.changed: Callable[[], None] | None = None
        self._phases = phases
        self._values = dict(values)
        self._pending: dict[Key, Value] = {}
        self._verify_from = 0
        self._set_id = self._sum()

    @property
    def set_id(self) -> int:
        """globalSetIDParameter: another number whenever a parameter is another."""
        return self._set_id

    def number(self, name: str, *index: int) -> int:
        """A number; TypeError for anything else."""
        value = self._values[name, index]
        if not isinstance(value, int):
            raise TypeError(f"{name} is no number")
        return value

    def octets(self, name: str, *index: int) -> bytes:
        """A list of octets; TypeError for anything else."""
        value = self._values[name, index]
        if not isinstance(value, bytes):
            raise TypeError(f"{name} is no list of octets")
        return value

    def value(self, key: Key) -> Value:
        """Any value, as it is in force."""
        return self._values[key]

    def parameters(self) -> list[Key]:
        """All parameters."""
        return list(self._values)

    def is_initial(self, name: str, *index: int) -> bool:
        """Whether nobody has changed it."""
        return self._values[name, index] == self.initial[name, index]

    def may_write(self, name: str) -> ErrorStatus:
        """Whether the parameter can be set in the present state."""
        if self.state in (Transaction.VERIFYING, Transaction.DONE):
            return ErrorStatus.INCONSISTENT_VALUE
        if name in STRUCTURAL and self.state is not Transaction.TRANSACTION:
            return ErrorStatus.INCONSISTENT_VALUE
        return ErrorStatus.NO_ERROR

    def write(self, key: Key, value: Value) -> None:
        """Set one parameter, at once or with its transaction."""
        if self.state is Transaction.TRANSACTION:
            self._pending[key] = value
        else:
            self.put({key: value})

    def put(self, values: dict[Key, Value]) -> None:
        """Change parameters whatever the state, as somebody at the keyboard does."""
        if all(self._values[key] == value for key, value in values.items()):
            return
        self._values |= values
        self.revision += 1
        self._set_id = self._sum()
        if self.changed is not None:
            self.changed()

    def may_enter(self, state: int) -> bool:
        """Whether dbCreateTransaction may be set so now."""
        allowed = {
            Transaction.NORMAL: (1, 2),
            Transaction.TRANSACTION: (1, 2, 3),
            Transaction.VERIFYING: (),
            Transaction.DONE: (1,),
        }
        return state in allowed[self.state]

    def enter(self, state: int, now: int) -> None:
        """Carry a SET of dbCreateTransaction out: a verified set takes effect on the way back to normal."""
        if self.state is Transaction.DONE and not self.error:
            self.put(self._pending)
        if state == Transaction.VERIFYING:
            self._verify_from = now
            self.error, self.verified = "", False
        elif state == Transaction.NORMAL or self.state is Transaction.NORMAL:
            self._pending = {}
        self.state = Transaction(state)

    def tick(self, now: int) -> None:
        """Let a verification come to its end."""
        if self.state is Transaction.VERIFYING and now - self._verify_from >= VERIFY_TENTHS:
            self.error = self._fault() or ""
            self.verified = True
            self.state = Transaction.DONE

    def abandon(self) -> None:
        """Forget an open transaction, as a power cut does."""
        self.state, self._pending = Transaction.NORMAL, {}

    def _fault(self) -> str | None:
        """What is wrong with the values to be, in the words of the standard's annex where it has some."""
        for (name, index), value in self._pending.items():
            place = f"PHASE {index[0]:02d}" if index else name
            same = value == self.initial[name, index]
            if name == "phaseRing" and not same:
                return f"{place} RING FAULT: this controller's rings are its signal plan's"
            if name == "phaseConcurrency" and not same:
                return f"{place} CONCURRENCY FAULT: this controller's pairs are its signal plan's"
            if name == "sequenceData" and isinstance(value, bytes) and not self._same_sides(index[1], value):
                return f"SEQUENCE {index[0]:02d} RING {index[1]:02d} FAULT: phases left their barrier side"
            if name == "phaseYellowChange" and isinstance(value, int) and 0 < value < 30:
                return f"{place} YELLOW FAULT: under 3.0 s"
        return None

    def _same_sides(self, ring: int, order: bytes) -> bool:
        if not self._phases.rings:
            return sorted(order) == list(self._phases.numbers)
        at = 0
        for side in self._phases.rings[ring - 1]:
            if sorted(order[at : at + len(side)]) != sorted(side):
                return False
            at += len(side)
        return at == len(order)

    def _sum(self) -> int:
        """A checksum of everything; 16 bit, as the object is."""
        text = repr(sorted(self._values.items(), key=lambda pair: pair[0]))
        return zlib.crc32(text.encode()) & 0xFFFF
