"""SNMPv3 with authentication and privacy, over pysnmp, behind the same interface as our own v1/v2c.

pysnmp costs milliseconds per message, so that a v3 device is polled once a second, not ten times. It is
imported when the first v3 device is made and not before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from weakref import WeakKeyDictionary

from stopline_cabinets.snmp.codec import Oid, Tag, Value, VarBind
from stopline_cabinets.snmp.errors import NoSuchName, TooBig, UnexpectedAnswer, refusal
from stopline_cabinets.snmp.peer import Desired
from stopline_signals.errors import CabinetError, CabinetTimeout


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAccess:
    """How a v3 device is spoken to: HMAC-SHA-256 and AES-128; `timeout` in real seconds.

    `auth` and `privacy` name other algorithms pysnmp has, e.g. usmHMACSHAAuthProtocol for SHA-1.
    """

    host: str
    port: int = 161
    user: str
    auth_key: str = field(repr=False)
    privacy_key: str = field(repr=False)
    auth: str = "usmHMAC192SHA256AuthProtocol"
    privacy: str = "usmAesCfb128Protocol"
    timeout: float = 2.0
    retries: int = 1
    max_varbinds: int = 20


class UserPeer:
    """A device that speaks SNMPv3 authPriv; one message at a time."""

    def __init__(self, access: UserAccess) -> None:
        self.max_varbinds = access.max_varbinds
        self._access = access
        self._absent: set[Oid] = set()
        self._turn = asyncio.Lock()
        self._target: Any = None

    @property
    def name(self) -> str:
        """host:port."""
        return f"{self._access.host}:{self._access.port}"

    async def get(self, oids: Sequence[Oid]) -> dict[Oid, Value]:
        """The objects' values; NoSuchName when one is not there."""
        found: dict[Oid, Value] = {}
        while len(found) < len(oids):
            part = oids[len(found) : len(found) + self.max_varbinds]
            try:
                answer = await self._repeat("get_cmd", [VarBind(oid, Tag.NULL, None) for oid in part])
            except TooBig:
                self._take_less(len(part))
                continue
            for oid, tag, value in answer:
                if tag >= Tag.NO_SUCH_OBJECT:
                    raise NoSuchName(f"{self.name}: no object {oid}", tag, oid)
                found[oid] = value
            if any(oid not in found for oid in part):
                raise UnexpectedAnswer(f"{self.name}: answers with other objects than were asked for")
        return found

    async def get_available(self, oids: Sequence[Oid]) -> dict[Oid, Value]:
        """Those of the objects that are there."""
        while True:
            wanted = [oid for oid in oids if oid not in self._absent]
            try:
                return await self.get(wanted)
            except NoSuchName as error:
                if error.oid not in wanted:
                    raise
                self._absent.add(error.oid)

    async def get_next(self, oid: Oid) -> VarBind | None:
        """The first object after `oid`."""
        try:
            answer = await self._repeat("next_cmd", [VarBind(oid, Tag.NULL, None)])
        except NoSuchName:
            return None
        return None if not answer or answer[0].tag == Tag.END_OF_MIB_VIEW else answer[0]

    async def set(self, desired: Desired) -> int:
        """Set all of it; a repetition carries what is desired then."""
        for attempt in range(self._access.retries + 1):
            try:
                return attempt + await self._set_all(desired())
            except CabinetTimeout:
                if attempt == self._access.retries:
                    raise
        raise AssertionError("not reached")

    def forget(self) -> None:
        """Forget the device's address, what it did not have, and how much it can take."""
        self._target = None
        self._absent.clear()
        self.max_varbinds = self._access.max_varbinds

    async def _set_all(self, bindings: Sequence[VarBind]) -> int:
        done = sends = 0
        while done < len(bindings):
            part = bindings[done : done + self.max_varbinds]
            sends += 1
            try:
                await self._ask("set_cmd", part)
                done += len(part)
            except TooBig:
                self._take_less(len(part))
        return sends

    async def _repeat(self, command: str, bindings: Sequence[VarBind]) -> list[VarBind]:
        for _ in range(self._access.retries):
            try:
                return await self._ask(command, bindings)
            except CabinetTimeout:
                continue
        return await self._ask(command, bindings)

    async def _ask(self, command: str, bindings: Sequence[VarBind]) -> list[VarBind]:
        from pysnmp.hlapi.v3arch import asyncio as hlapi

        api = cast(Any, hlapi)
        async with self._turn:
            if self._target is None:
                where = (self._access.host, self._access.port)
                self._target = await api.UdpTransportTarget.create(
                    where, timeout=self._access.timeout, retries=0
                )
            indication, status, index, answer = await getattr(api, command)(
                _engine(),
                self._user(api),
                self._target,
                api.ContextData(),
                *[_to_pysnmp(api, binding) for binding in bindings],
                lookupMib=False,
            )
        if indication:
            raise self._failed(str(indication))
        if int(status):
            at = int(index)
            raise refusal(self.name, int(status), bindings[at - 1].oid if 0 < at <= len(bindings) else ())
        return [_from_pysnmp(entry) for entry in answer]

    def _user(self, api: Any) -> Any:
        access = self._access
        return api.UsmUserData(
            access.user,
            access.auth_key,
            access.privacy_key,
            authProtocol=getattr(api, access.auth),
            privProtocol=getattr(api, access.privacy),
        )

    def _failed(self, reason: str) -> CabinetError:
        if "No SNMP response" in reason:
            return CabinetTimeout(f"{self.name}: no answer within {self._access.timeout:.3g} s")
        return CabinetError(f"{self.name}: {reason}; check the user, the keys and the algorithms")

    def _take_less(self, tried: int) -> None:
        if tried <= 1:
            raise TooBig(f"{self.name}: says that even a single object is too big", 1)
        self.max_varbinds = max(1, tried * 3 // 4)


def _engine() -> Any:
    """The one engine of the running event loop: each is slow to make and never quite freed."""
    loop = asyncio.get_running_loop()
    if loop not in _engines:
        from pysnmp.entity.engine import SnmpEngine

        _engines[loop] = SnmpEngine()
    return _engines[loop]


def _to_pysnmp(api: Any, binding: VarBind) -> Any:
    identity = api.ObjectIdentity(binding.oid)
    if binding.tag == Tag.NULL:
        return api.ObjectType(identity)
    kind = {Tag.INTEGER: api.Integer32, Tag.OCTETS: api.OctetString, Tag.OID: api.ObjectIdentifier}
    return api.ObjectType(identity, kind[Tag(binding.tag)](binding.value))


def _from_pysnmp(entry: Any) -> VarBind:
    name, value = entry
    base = value.tagSet.superTags[-1]
    tag = base.tagClass | base.tagId
    if tag in (Tag.OCTETS, Tag.IP_ADDRESS, Tag.OPAQUE):
        return VarBind(tuple(name), tag, bytes(value))
    if tag == Tag.OID:
        return VarBind(tuple(name), tag, tuple(value))
    empty = tag == Tag.NULL or tag >= Tag.NO_SUCH_OBJECT
    return VarBind(tuple(name), tag, None if empty else int(value))


_engines: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()
