"""Which protocol each virtual cabinet speaks, and how one is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from stopline_hil.clock import CabinetClock
from stopline_hil.modbus_plc import PlcCabinet
from stopline_hil.ntcip import NtcipCabinet, with_phases
from stopline_mmu import Lamp, Monitor, Violation
from stopline_signals.detectors import DetectorReading
from stopline_signals.errors import CabinetError
from stopline_signals.plan import SignalPlan

MODBUS, NTCIP, MIXED = "modbus", "ntcip", "mixed"


class VirtualCabinet(Protocol):
    """What the street needs of a cabinet, whatever wire it hangs on."""

    plan: SignalPlan
    host: str
    port: int
    monitor: Monitor

    @property
    def protocol(self) -> str:
        """Name of the protocol it speaks, which is the controller's driver for it."""
        ...

    @property
    def reads(self) -> int:
        """How often it was asked."""
        ...

    @property
    def plans_accepted(self) -> int:
        """How many plans, or settings of its control objects, it took."""
        ...

    @property
    def released(self) -> bool:
        """Whether nobody controls it."""
        ...

    @property
    def violations(self) -> list[Violation]:
        """What its conflict monitor has against its lamps."""
        ...

    async def start(self) -> None:
        """Open the port."""
        ...

    async def stop(self) -> None:
        """Close it."""
        ...

    async def run(self, interval: float = 0.02) -> None:
        """Tick with the clock until cancelled."""
        ...

    def tick(self, now: int) -> None:
        """Come up to `now` (tenths)."""
        ...

    def set_readings(self, readings: Sequence[DetectorReading]) -> None:
        """What the street's sensors say."""
        ...

    def lamps(self) -> tuple[Lamp, ...]:
        """What each group shows."""
        ...


def cabinet_for(
    protocol: str, plan: SignalPlan, clock: CabinetClock, *, host: str, port: int, step: int = 1
) -> VirtualCabinet:
    """A virtual cabinet for a plan; at an NTCIP one, a plan without phases is given some.

    Raises:
        PlanError: phases cannot be made up for it.
        CabinetError: no such protocol.
    """
    if protocol not in _MAKERS:
        raise CabinetError(f"no virtual cabinet speaks {protocol!r}; there are {', '.join(_MAKERS)}")
    return _MAKERS[protocol](plan, clock, host, port, step)


def protocols_of(junctions: Iterable[str], chosen: Sequence[str]) -> dict[str, str]:
    """The protocol of each junction: a name for all, `mixed` for turns, JUNCTION=NAME for one.

    Raises:
        CabinetError: a junction or a protocol that is not there.
    """
    names = list(junctions)
    found = dict.fromkeys(names, MODBUS)
    for entry in chosen:
        junction, separator, protocol = entry.rpartition("=")
        if separator and junction not in found:
            raise CabinetError(f"no junction {junction!r}; there are {', '.join(names)}")
        if protocol == MIXED and not separator:
            found.update((name, (MODBUS, NTCIP)[at % 2]) for at, name in enumerate(names))
        elif protocol in _MAKERS:
            found.update({junction: protocol} if separator else dict.fromkeys(names, protocol))
        else:
            raise CabinetError(f"no virtual cabinet speaks {protocol!r}; there are {', '.join(_MAKERS)}")
    return found


def _modbus(plan: SignalPlan, clock: CabinetClock, host: str, port: int, step: int) -> VirtualCabinet:
    return PlcCabinet(plan, clock, host=host, port=port, step=step)


def _ntcip(plan: SignalPlan, clock: CabinetClock, host: str, port: int, step: int) -> VirtualCabinet:
    return NtcipCabinet(with_phases(plan), clock, host=host, port=port, step=step)


_MAKERS: Mapping[str, Callable[[SignalPlan, CabinetClock, str, int, int], VirtualCabinet]] = {
    MODBUS: _modbus,
    NTCIP: _ntcip,
}
