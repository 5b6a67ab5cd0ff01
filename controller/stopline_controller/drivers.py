"""Which cabinets a site file can name: a row each, with the driver's own options.

A further driver is one more row; `register` adds one from outside this package.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from stopline_cabinets.fake import FakeCabinet, FakeStreet
from stopline_cabinets.seam import Cabinet
from stopline_cabinets.words import CabinetState, PlanCommand, Receipt
from stopline_controller.clock import Clock
from stopline_controller.site_tables import Table
from stopline_signals.plan import SignalPlan


class Lessee(NamedTuple):
    """Who takes the lease of a cabinet: a number that is this controller's own, and a name for people."""

    owner: int
    label: str
    leases: Path | None = None
    """Folder for the leases of cabinets that keep none themselves; it outlives this process."""


class Driver(NamedTuple):
    """One kind of cabinet: its options, the network address among them, and how it is made."""

    options: type[Table]
    address: Callable[[Any], str]
    """host:port from the options; empty for a cabinet inside this process."""
    build: Callable[[SignalPlan, Any, Lessee, Clock], Cabinet]
    check: Callable[[SignalPlan, Any], None] | None = None
    """Whether a plan can be run with the options; a StoplineError says why not."""


class MemoryOptions(Table):
    """`driver = "memory"`: a cabinet inside this process, for load tests; drives nothing."""


class Drivers(Mapping[str, Driver]):
    """The drivers by name; a module is imported once a site names its driver, for libraries take memory."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        """`modules` say where each driver's `DRIVER` is."""
        self._modules = dict(modules)
        self._made: dict[str, Driver] = {}

    def __getitem__(self, name: str) -> Driver:
        """The driver of that name; KeyError when there is none."""
        if name not in self._made:
            made = importlib.import_module(self._modules[name]).DRIVER
            self._made[name] = cast(Driver, made)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """All names."""
        return iter({**self._modules, **self._made})

    def __len__(self) -> int:
        """How many there are."""
        return len({**self._modules, **self._made})

    def add(self, name: str, driver: Driver) -> None:
        """One more, or another in its place."""
        self._made[name] = driver


DRIVERS = Drivers(
    {"modbus": "stopline_controller.modbus_driver", "ntcip": "stopline_controller.ntcip_driver"}
)


def register(name: str, driver: Driver) -> None:
    """Let site files name a driver."""
    DRIVERS.add(name, driver)


def _memory(plan: SignalPlan, options: MemoryOptions, lessee: Lessee, clock: Clock) -> Cabinet:
    return MemoryCabinet(plan, lessee, clock)


def _no_address(options: MemoryOptions) -> str:
    return ""


class MemoryCabinet:
    """A cabinet in memory whose time is the controller's clock."""

    def __init__(self, plan: SignalPlan, lessee: Lessee, clock: Clock) -> None:
        self._clock = clock
        self.street = FakeStreet(plan, now=clock.tenths())
        self._cabinet = FakeCabinet(self.street, owner=lessee.owner, label=lessee.label)

    @property
    def name(self) -> str:
        """How messages name this cabinet."""
        return f"memory cabinet {self.street.core.plan.junction}"

    @property
    def next_seq(self) -> int:
        """The sequence number the next plan must carry."""
        return self._cabinet.next_seq

    async def connect(self, *, lease: bool = True) -> CabinetState:
        """Take the lease unless told not to."""
        return await self._now().connect(lease=lease)

    async def read(self) -> CabinetState:
        """The state now."""
        return self.at_hand()

    def at_hand(self) -> CabinetState:
        """The state now, which nobody has to wait for."""
        return self._now().at_hand()

    async def write(self, command: PlanCommand) -> Receipt:
        """Hand a plan over."""
        return await self._now().write(command)

    async def heartbeat(self) -> None:
        """One more beat."""
        await self._now().heartbeat()

    async def release(self) -> None:
        """Give the lease back."""
        await self._now().release()

    async def close(self) -> None:
        """Nothing to drop."""

    def _now(self) -> FakeCabinet:
        """The cabinet, brought up to the present."""
        self.street.run(self._clock.tenths() - self.street.now)
        return self._cabinet


register("memory", Driver(MemoryOptions, _no_address, _memory))
