"""Which cabinets a site file can name: a row each, with the driver's own options.

A further driver is one more row; `register` adds one from outside this package.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, model_validator

from stopline_cabinets.fake import FakeCabinet, FakeStreet
from stopline_cabinets.modbus.driver import ModbusCabinet
from stopline_cabinets.modbus.tls import Credentials, tls_context
from stopline_cabinets.seam import Cabinet
from stopline_cabinets.words import CabinetState, PlanCommand, Receipt
from stopline_controller.clock import Clock
from stopline_controller.ntcip_driver import NtcipOptions, check_ntcip, ntcip_cabinet
from stopline_controller.site_tables import Table
from stopline_signals.plan import SignalPlan


class Lessee(NamedTuple):
    """Who takes the lease of a cabinet: a number that is this controller's own, and a name for people."""

    owner: int
    label: str


class Driver(NamedTuple):
    """One kind of cabinet: its options, the network address among them, and how it is made."""

    options: type[Table]
    address: Callable[[Any], str]
    """host:port from the options; empty for a cabinet inside this process."""
    build: Callable[[SignalPlan, Any, Lessee, Clock], Cabinet]
    check: Callable[[SignalPlan, Any], None] | None = None
    """Whether a plan can be run with the options; a StoplineError says why not."""


class ModbusOptions(Table):
    """`driver = "modbus"`: register map 0x0102 over Modbus TCP."""

    address: Annotated[str, Field(pattern=r"^.+:\d{1,5}$")]
    """host:port of the device."""
    device_id: Annotated[int, Field(ge=0, le=255)] = 1
    """Modbus unit."""
    timeout_s: Annotated[float, Field(gt=0, le=10)] = 0.5
    """Real seconds for one answer."""
    heartbeat_limit_s: Annotated[float, Field(ge=1, le=10)] = 3.0
    """Silence after which the cabinet goes to its local plan, on the cabinet's clock."""
    tls_certificate: Path | None = None
    """Modbus/TCP Security (usually port 802): this controller's certificate chain, PEM."""
    tls_key: Path | None = None
    """Its private key."""
    tls_ca: Path | None = None
    """Authority that signs the cabinets' certificates."""

    @model_validator(mode="after")
    def _whole(self) -> ModbusOptions:
        if len({file is None for file in (self.tls_certificate, self.tls_key, self.tls_ca)}) > 1:
            raise ValueError("tls_certificate, tls_key and tls_ca belong together")
        return self

    @property
    def credentials(self) -> Credentials | None:
        """The files, when TLS is spoken."""
        if self.tls_certificate is None or self.tls_key is None or self.tls_ca is None:
            return None
        return Credentials(self.tls_certificate, self.tls_key, self.tls_ca)


class MemoryOptions(Table):
    """`driver = "memory"`: a cabinet inside this process, for load tests; drives nothing."""


DRIVERS: dict[str, Driver] = {}


def register(name: str, driver: Driver) -> None:
    """Let site files name a driver."""
    DRIVERS[name] = driver


def _modbus(plan: SignalPlan, options: ModbusOptions, lessee: Lessee, clock: Clock) -> Cabinet:
    host, _, port = options.address.rpartition(":")
    credentials = options.credentials
    return ModbusCabinet(
        host.strip("[]"),
        int(port),
        plan,
        owner=lessee.owner,
        label=lessee.label,
        limit=round(options.heartbeat_limit_s * 10),
        device_id=options.device_id,
        timeout=options.timeout_s,
        tls=None if credentials is None else tls_context(credentials),
    )


def _ntcip(plan: SignalPlan, options: NtcipOptions, lessee: Lessee, clock: Clock) -> Cabinet:
    return ntcip_cabinet(plan, options, owner=lessee.owner, label=lessee.label, rate=clock.rate)


def _memory(plan: SignalPlan, options: MemoryOptions, lessee: Lessee, clock: Clock) -> Cabinet:
    return MemoryCabinet(plan, lessee, clock)


def _network_address(options: ModbusOptions | NtcipOptions) -> str:
    return options.address


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


register("modbus", Driver(ModbusOptions, _network_address, _modbus))
register("ntcip", Driver(NtcipOptions, _network_address, _ntcip, check_ntcip))
register("memory", Driver(MemoryOptions, _no_address, _memory))
