"""`driver = "ntcip"` in a site file: its options, and the cabinet made of them."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from stopline_cabinets.ntcip import AUTO, PROFILES, Address, Feed, NtcipCabinet, Push, dial
from stopline_cabinets.ntcip.feeds import Feeds
from stopline_cabinets.ntcip.groups import GroupMap
from stopline_cabinets.seam import Cabinet
from stopline_cabinets.snmp.codec import Version
from stopline_cabinets.snmp.v3 import UserAccess
from stopline_controller.clock import Clock
from stopline_controller.drivers import Driver, Lessee
from stopline_controller.site_tables import Table
from stopline_signals.errors import SiteError
from stopline_signals.plan import SignalPlan

Number = Annotated[int, Field(ge=1, le=255)]
HostPort = Annotated[str, Field(pattern=r"^.+:\d{1,5}$")]
_VERSIONS = {"1": Version.V1, "2c": Version.V2C, "3": None}


class FeedTable(Table):
    """Vehicle detector numbers behind one zone of the plan."""

    presence: Annotated[tuple[Number, ...], Field(min_length=1)]
    """Detectors that are on while vehicles are in the zone."""
    queue: tuple[Number, ...] = ()
    """Detectors that are on while vehicles stand in it; without any, a loop that stays on counts."""
    vehicles_each: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Vehicles one detector that is on stands for."""


class NtcipOptions(Table):
    """`driver = "ntcip"`: NTCIP 1202 over SNMP."""

    address: HostPort
    """host:port of the cabinet."""
    profile: str = AUTO
    """Make of the controller; "auto" finds out."""
    version: Literal["1", "2c", "3"] | None = None
    """SNMP version; by default the profile's."""
    read_community: str | None = None
    """For versions 1 and 2c; by default the profile's."""
    write_community: str | None = None
    """For versions 1 and 2c; by default the profile's."""
    user: str | None = None
    """For version 3."""
    auth_key_env: str = "STOPLINE_SNMP_AUTH_KEY"
    """Environment variable with the user's authentication key (HMAC-SHA-256)."""
    privacy_key_env: str = "STOPLINE_SNMP_PRIVACY_KEY"
    """Environment variable with the user's privacy key (AES-128)."""
    timeout_s: Annotated[float, Field(gt=0, le=10)] | None = None
    """Real seconds for one answer, the first and the longest."""
    max_varbinds: Annotated[int, Field(ge=1, le=64)] | None = None
    """Objects per message; goes down by itself when the cabinet says that it is too big."""
    poll_s: Annotated[float, Field(gt=0, le=5)] | None = None
    """Seconds between two looks at lamps and detectors."""
    phases: dict[str, Number] = Field(default_factory=dict[str, Number])
    """Group name to phase, where the plan does not say it."""
    overlaps: dict[str, Number] = Field(default_factory=dict[str, Number])
    """Group name to overlap, where the order in the plan does not say it."""
    detectors: dict[str, FeedTable] | None = None
    """Zone name to detectors; by default detector n is the plan's n-th zone."""
    push_listen: HostPort | None = None
    """Local address for the pushed signal state (UDP, usually port 6053)."""
    push_from: str | None = None
    """Numeric host it comes from; by default that of the address."""
    lease_dir: Path | None = None
    """Folder of the leases, by default `leases` in the state directory; services that may drive the same
    cabinet need the same one."""

    @model_validator(mode="after")
    def _consistent(self) -> NtcipOptions:
        if self.profile != AUTO and self.profile not in PROFILES:
            raise ValueError(f"no profile {self.profile!r}; there are {AUTO}, {', '.join(PROFILES)}")
        if (self.version == "3") != (self.user is not None):
            raise ValueError('version = "3" and user belong together')
        if self.push_listen is not None:
            _numeric(self.push_from or _host(self.address))
        return self


def check_ntcip(plan: SignalPlan, options: NtcipOptions) -> None:
    """Whether the plan can be run under these options; PlanError or SiteError says why not."""
    groups = GroupMap(plan, phases=options.phases, overlaps=options.overlaps)
    Feeds(groups, _feeds(options))
    _user(options)


def ntcip_cabinet(
    plan: SignalPlan,
    options: NtcipOptions,
    *,
    owner: int,
    label: str,
    rate: float,
    leases: Path | None = None,
) -> NtcipCabinet:
    """The cabinet; nothing is sent before it is connected. `leases` is the folder when none is configured."""
    address = Address(
        host=_host(options.address),
        port=int(options.address.rpartition(":")[2]),
        profile=options.profile,
        version=None if options.version is None else _VERSIONS[options.version],
        read_community=options.read_community,
        write_community=options.write_community,
        max_varbinds=options.max_varbinds,
        timeout_s=options.timeout_s,
        user=_user(options),
    )
    return NtcipCabinet(
        lambda: dial(address),
        plan,
        address=options.address,
        owner=owner,
        label=label,
        phases=options.phases,
        overlaps=options.overlaps,
        feeds=_feeds(options),
        push=_push(options),
        rate=rate,
        poll=options.poll_s,
        lease_dir=options.lease_dir or leases,
    )


def _feeds(options: NtcipOptions) -> dict[str, Feed] | None:
    if options.detectors is None:
        return None
    return {
        name: Feed(feed.presence, feed.queue, feed.vehicles_each) for name, feed in options.detectors.items()
    }


def _push(options: NtcipOptions) -> Push | None:
    if options.push_listen is None:
        return None
    port = int(options.push_listen.rpartition(":")[2])
    return Push(_host(options.push_listen), port, options.push_from or _host(options.address))


def _user(options: NtcipOptions) -> UserAccess | None:
    if options.user is None:
        return None
    keys = [os.environ.get(name) for name in (options.auth_key_env, options.privacy_key_env)]
    for name, key in zip((options.auth_key_env, options.privacy_key_env), keys, strict=True):
        if key is None or len(key) < 8:
            raise SiteError(f"environment variable {name} must hold a key of 8 characters or more")
    return UserAccess(
        host=_host(options.address),
        port=int(options.address.rpartition(":")[2]),
        user=options.user,
        auth_key=str(keys[0]),
        privacy_key=str(keys[1]),
        timeout=options.timeout_s or 2.0,
        max_varbinds=options.max_varbinds or 20,
    )


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


def _numeric(host: str) -> None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f"push_from must be the numeric address of the cabinet, not {host!r}") from None


def _build(plan: SignalPlan, options: NtcipOptions, lessee: Lessee, clock: Clock) -> Cabinet:
    return ntcip_cabinet(
        plan, options, owner=lessee.owner, label=lessee.label, rate=clock.rate, leases=lessee.leases
    )


def _address(options: NtcipOptions) -> str:
    return options.address


DRIVER = Driver(NtcipOptions, _address, _build, check_ntcip)
