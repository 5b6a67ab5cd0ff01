"""Reaching a device: by a profile, or by trying until it answers and says what it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from stopline_cabinets.errors import CabinetOffline
from stopline_cabinets.ntcip.objects import SYS_DESCR, cell, scalar
from stopline_cabinets.ntcip.profiles import PROFILES, Profile, profile_for, profile_named
from stopline_cabinets.snmp.codec import Oid, Value, VarBind, Version
from stopline_cabinets.snmp.errors import NoSuchName
from stopline_cabinets.snmp.peer import Access, CommunityPeer, Desired, Peer
from stopline_cabinets.snmp.v3 import UserAccess, UserPeer
from stopline_signals.errors import CabinetTimeout

AUTO = "auto"
TRY_S = 0.5
"""Real seconds a device has to answer while it is looked for."""
MODULES = 3
"""Rows of the module table that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a device is and what is known of how it speaks; None is the profile's."""

    host: str
    port: int | None = None
    profile: str = AUTO
    version: Version | None = None
    read_community: str | None = field(default=None, repr=False)
    write_community: str | None = field(default=None, repr=False)
    max_varbinds: int | None = None
    timeout_s: float | None = None
    user: UserAccess | None = None
    """SNMPv3 in the place of versions and communities."""


class Device(NamedTuple):
    """A device that answered; `description` is what it says of itself."""

    peer: Peer
    profile: Profile
    description: str


class Probe(NamedTuple):
    """What a first look finds, reading only."""

    device: Device
    max_phases: int
    backup_time: int
    """unitBackupTime, seconds; 0: off."""


async def dial(address: Address) -> Device:
    """Reach a device.

    Raises:
        CabinetOffline: nothing answers in any of the ways tried.
    """
    if address.profile != AUTO:
        return await _described(address, profile_named(address.profile))
    tried: list[str] = []
    for row in _ways(address):
        attempt = _peer(replace(address, timeout_s=TRY_S), row, retries=0)
        try:
            await attempt.get((SYS_DESCR,))
        except (CabinetTimeout, NoSuchName) as error:
            if isinstance(error, NoSuchName):
                return await _described(address, row)
            tried.append(f"v{row.version + 1}{'c' * (row.version == Version.V2C)} at port {row.port}")
            continue
        found = await _described(address, row)
        profile = replace(
            profile_for(found.description),
            port=row.port,
            version=row.version,
            read_community=row.read_community,
        )
        return found._replace(peer=_peer(address, profile), profile=profile)
    raise CabinetOffline(
        f"{address.host}: no answer to SNMP {', '.join(tried)}; check address, port and read community"
    )


async def probe(address: Address) -> Probe:
    """Reach a device and read what it is and whether it can be controlled; nothing is written."""
    device = await dial(address)
    oids = (scalar("maxPhases"), scalar("unitBackupTime"))
    values = await device.peer.get_available(oids)
    phases, backup = (value if isinstance(value := values.get(oid, 0), int) else 0 for oid in oids)
    return Probe(device, phases, backup)


class RenamingPeer:
    """A peer whose device has some objects under other OIDs."""

    def __init__(self, peer: Peer, renamed: dict[Oid, Oid]) -> None:
        self._peer = peer
        self._there = renamed
        self._here = {there: here for here, there in renamed.items()}

    @property
    def max_varbinds(self) -> int:
        """Objects per message."""
        return self._peer.max_varbinds

    @property
    def name(self) -> str:
        """How messages name the device."""
        return self._peer.name

    async def get(self, oids: Sequence[Oid]) -> dict[Oid, Value]:
        """The objects' values."""
        return self._back(await self._peer.get([self._there.get(oid, oid) for oid in oids]))

    async def get_available(self, oids: Sequence[Oid]) -> dict[Oid, Value]:
        """Those of the objects that are there."""
        return self._back(await self._peer.get_available([self._there.get(oid, oid) for oid in oids]))

    async def get_next(self, oid: Oid) -> VarBind | None:
        """The first object after `oid`, as the device has it."""
        return await self._peer.get_next(oid)

    async def set(self, desired: Desired) -> int:
        """Set all of it."""
        return await self._peer.set(
            lambda: [binding._replace(oid=self._there.get(binding.oid, binding.oid)) for binding in desired()]
        )

    def forget(self) -> None:
        """Forget what the device did not have."""
        self._peer.forget()

    def _back(self, values: dict[Oid, Value]) -> dict[Oid, Value]:
        return {self._here.get(oid, oid): value for oid, value in values.items()}


def _ways(address: Address) -> Iterator[Profile]:
    """Ports, versions and communities of all rows that the address leaves open, each once."""
    seen: set[tuple[int, int, str]] = set()
    for version in (Version.V1, Version.V2C):
        for row in PROFILES.values():
            port = address.port or row.port
            wanted = version if address.version is None else address.version
            community = address.read_community or row.read_community
            if (port, wanted, community) not in seen:
                seen.add((port, wanted, community))
                yield replace(row, port=port, version=wanted, read_community=community)


async def _described(address: Address, profile: Profile) -> Device:
    peer = _peer(address, profile)
    columns = ("moduleMake", "moduleModel", "moduleVersion")
    oids = [cell(column, row) for row in range(1, MODULES + 1) for column in columns]
    values = await peer.get_available([SYS_DESCR, *oids])
    texts = [value.decode("latin-1") for value in values.values() if isinstance(value, bytes)]
    return Device(peer, profile, " ".join(" ".join(texts).split()))


def _peer(address: Address, profile: Profile, retries: int = 1) -> Peer:
    peer: Peer
    if address.user is not None:
        peer = UserPeer(address.user)
    else:
        version = profile.version if address.version is None else address.version
        peer = CommunityPeer(
            Access(
                host=address.host,
                port=address.port or profile.port,
                version=version,
                read_community=address.read_community or profile.read_community,
                write_community=address.write_community or profile.write_community,
                timeout=address.timeout_s or profile.timeout_s,
                retries=retries,
                min_interval=profile.min_interval_s,
                max_varbinds=address.max_varbinds or profile.max_varbinds,
            )
        )
    return RenamingPeer(peer, profile.renamed) if profile.renamed else peer
