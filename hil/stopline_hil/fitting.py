"""Which protocol each virtual cabinet speaks, and how one is made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from stopline_cabinets.ntcip import sensor_feeds
from stopline_hil.clock import CabinetClock
from stopline_hil.modbus_plc import PlcCabinet
from stopline_hil.ntcip import NtcipCabinet, with_phases
from stopline_hil.site_files import Post
from stopline_mmu import Lamp, Monitor, Violation
from stopline_signals.detectors import DetectorReading
from stopline_signals.errors import CabinetError
from stopline_signals.plan import SignalPlan

MODBUS, NTCIP, MIXED = "modbus", "ntcip", "mixed"
PROTOCOLS = (MODBUS, NTCIP)


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
    protocol: str,
    plan: SignalPlan,
    clock: CabinetClock,
    *,
    host: str,
    port: int,
    step: int = 1,
    counting: bool = False,
) -> VirtualCabinet:
    """A virtual cabinet for a plan; at an NTCIP one, a plan without phases is given some.

    With `counting`, the zones of an NTCIP cabinet have sensors that tell how many vehicles are in them, else
    one detector each. At a Modbus one they always count.

    Raises:
        PlanError: phases cannot be made up for it.
        CabinetError: no such protocol.
    """
    if protocol not in PROTOCOLS:
        raise CabinetError(f"no virtual cabinet speaks {protocol!r}; there are {', '.join(PROTOCOLS)}")
    if protocol == MODBUS:
        return PlcCabinet(plan, clock, host=host, port=port, step=step)
    phased = with_phases(plan)
    feeds = sensor_feeds(phased) if counting else None
    return NtcipCabinet(phased, clock, host=host, port=port, step=step, feeds=feeds)


def post_for(cabinet: VirtualCabinet) -> Post:
    """What a controller's site file says of a cabinet: its driver, and the detectors behind its zones."""
    feeds = cabinet.feeds if isinstance(cabinet, NtcipCabinet) else {}
    tables = {
        name: {"presence": feed.presence, "queue": feed.queue, "vehicles_each": feed.scale}
        for name, feed in feeds.items()
    }
    options: dict[str, object] = {"detectors": tables} if tables else {}
    return Post(cabinet.plan, cabinet.host, cabinet.port, driver=cabinet.protocol, options=options)


def protocols_of(junctions: Iterable[str], chosen: Sequence[str]) -> dict[str, str]:
    """The protocol of each junction: one for all, `modbus,ntcip` or `mixed` for turns, JUNCTION=NAME for one.

    Raises:
        CabinetError: a junction or a protocol that is not there.
    """
    names = list(junctions)
    found = dict.fromkeys(names, MODBUS)
    for entry in chosen:
        junction, separator, protocol = entry.rpartition("=")
        if separator and junction not in found:
            raise CabinetError(f"no junction {junction!r}; there are {', '.join(names)}")
        turns = _turns(protocol)
        for at, name in enumerate([junction] if separator else names):
            found[name] = turns[at % len(turns)]
    return found


def _turns(protocols: str) -> Sequence[str]:
    turns = PROTOCOLS if protocols == MIXED else protocols.split(",")
    for protocol in turns:
        if protocol not in PROTOCOLS:
            raise CabinetError(f"no virtual cabinet speaks {protocol!r}; there are {', '.join(PROTOCOLS)}")
    return turns
