"""`driver = "modbus"` in a site file: its options, and the cabinet made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from stopline_cabinets.modbus.driver import ModbusCabinet
from stopline_cabinets.modbus.tls import Credentials, tls_context
from stopline_cabinets.seam import Cabinet
from stopline_controller.clock import Clock
from stopline_controller.drivers import Driver, Lessee
from stopline_controller.site_tables import Table
from stopline_signals.plan import SignalPlan


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


def modbus_cabinet(plan: SignalPlan, options: ModbusOptions, lessee: Lessee, clock: Clock) -> Cabinet:
    """The cabinet; nothing is sent before it is connected."""
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


def _address(options: ModbusOptions) -> str:
    return options.address


DRIVER = Driver(ModbusOptions, _address, modbus_cabinet)
