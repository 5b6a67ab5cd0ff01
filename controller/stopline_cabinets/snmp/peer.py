"""One SNMP device: what is asked of it, in portions it can take, at a pace it can keep.

`Peer` is the interface the NTCIP driver speaks; `CommunityPeer` is v1 and v2c over our own codec,
`stopline_cabinets.snmp.v3.UserPeer` SNMPv3 over pysnmp.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from stopline_cabinets.errors import CabinetOffline
from stopline_cabinets.snmp.codec import Message, Oid, Pdu, Tag, Value, VarBind, encode_bindings, null
from stopline_cabinets.snmp.errors import NoSuchName, SnmpRefused, TooBig, UnexpectedAnswer, refusal
from stopline_cabinets.snmp.manager import Address, Manager
from stopline_signals.errors import CabinetTimeout

Desired = Callable[[], Sequence[VarBind]]
"""What is to be set, asked anew before every datagram: a repetition never carries an old wish."""

LEAST_TIMEOUT_S = 0.25
"""Field controllers were measured at 15 to 70 ms per message, slower while they change intervals."""


class Peer(Protocol):
    """A device that can be read and set; every method raises CabinetError or a kind of it."""

    @property
    def max_varbinds(self) -> int:
        """Objects per message; goes down when the device says that an answer is too big."""
        ...

    @property
    def name(self) -> str:
        """How messages name the device."""
        ...

    async def get(self, oids: Sequence[Oid]) -> dict[Oid, Value]:
        """The objects' values; NoSuchName when one is not there."""
        ...

    async def get_available(self, oids: Sequence[Oid]) -> dict[Oid, Value]:
        """Those of the objects that are there; which are not is remembered and not asked for again."""
        ...

    async def get_next(self, oid: Oid) -> VarBind | None:
        """The first object after `oid`, None at the end."""
        ...

    async def set(self, desired: Desired) -> int:
        """Set all of it, one message at a time; returns the datagrams sent.

        Raises CabinetTimeout (outcome unknown) or SnmpRefused (nothing of that message was set).
        """
        ...

    def forget(self) -> None:
        """Forget what the device did not have: it may be another one now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a v1 or v2c device is spoken to; `timeout` is the first and the longest, real seconds."""

    host: str
    port: int = 161
    version: int = 0
    read_community: str = field(default="public", repr=False)
    write_community: str = field(default="administrator", repr=False)
    timeout: float = 1.0
    retries: int = 1
    min_interval: float = 0.0
    max_varbinds: int = 20


class Pace:
    """Adapts the time to wait for an answer to how fast a device answers (RFC 6298), real seconds."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._least = min(LEAST_TIMEOUT_S, longest)
        self._mean = 0.0
        self._spread = 0.0
        self.timeout = longest

    def answered(self, took: float) -> None:
        """An answer came."""
        if self._mean:
            self._spread += (abs(took - self._mean) - self._spread) / 4
            self._mean += (took - self._mean) / 8
        else:
            self._mean, self._spread = took, took / 2
        self.timeout = min(max(self._mean + 4 * self._spread, self._least), self._longest)

    def missed(self) -> None:
        """None came."""
        self.timeout = min(2 * self.timeout, self._longest)


class CommunityPeer:
    """A device that speaks SNMPv1 or v2c; at most one read and one write are under way at a time."""

    def __init__(self, access: Access, *, manager: Manager | None = None) -> None:
        self.max_varbinds = access.max_varbinds
        self.pace = Pace(access.timeout)
        self._access = access
        self._address: Address | None = None
        self._read = Message(access.version, access.read_community.encode(), Pdu.GET, 0)
        self._write = Message(access.version, access.write_community.encode(), Pdu.SET, 0)
        self._manager = manager
        self._absent: set[Oid] = set()
        self._next_send = 0.0
        self._reading = asyncio.Lock()
        self._writing = asyncio.Lock()

    @property
    def name(self) -> str:
        """host:port."""
        return f"{self._access.host}:{self._access.port}"

    async def get(self, oids: Sequence[Oid]) -> dict[Oid, Value]:
        """The objects' values; NoSuchName when one is not there."""
        async with self._reading:
            found: dict[Oid, Value] = {}
            while len(found) < len(oids):
                part = tuple(oids[len(found) : len(found) + self.max_varbinds])
                try:
                    found |= await self._get_part(part)
                except TooBig:
                    self._take_less(len(part))
            return found

    async def get_available(self, oids: Sequence[Oid]) -> dict[Oid, Value]:
        """Those of the objects that are there."""
        absent = self._absent
        while True:
            wanted = [oid for oid in oids if oid not in absent] if absent else oids
            try:
                return await self.get(wanted) if wanted else {}
            except NoSuchName as error:
                # A device that does not say which object it lacks is asked for each alone.
                absent.update([error.oid] if error.oid in wanted else await self._each_absent(wanted))

    async def get_next(self, oid: Oid) -> VarBind | None:
        """The first object after `oid`."""
        async with self._reading:
            try:
                answer = await self._ask(self._read._replace(pdu=Pdu.GET_NEXT), _nulls((oid,)))
            except NoSuchName:
                return None
        if len(answer.bindings) != 1 or answer.bindings[0].oid <= oid:
            if answer.bindings and answer.bindings[0].tag == Tag.END_OF_MIB_VIEW:
                return None
            raise UnexpectedAnswer(f"{self.name}: the object after {oid} does not come after it")
        return None if answer.bindings[0].tag == Tag.END_OF_MIB_VIEW else answer.bindings[0]

    async def set(self, desired: Desired) -> int:
        """Set all of it; a repetition carries what is desired then."""
        sends = 0
        async with self._writing:
            for attempt in range(self._access.retries + 1):
                try:
                    return sends + await self._set_all(desired())
                except CabinetTimeout:
                    sends += 1
                    if attempt == self._access.retries:
                        raise
        raise AssertionError("not reached")

    def forget(self) -> None:
        """Forget the device's address, what it did not have, and how much it can take."""
        self._address = None
        self._absent.clear()
        self.max_varbinds = self._access.max_varbinds

    async def _set_all(self, bindings: Sequence[VarBind]) -> int:
        done = sends = 0
        while done < len(bindings):
            part = bindings[done : done + self.max_varbinds]
            sends += 1
            try:
                answer = await self._ask(self._write, encode_bindings(part))
            except TooBig:
                self._take_less(len(part))
                continue
            if {binding.oid for binding in answer.bindings} != {binding.oid for binding in part}:
                raise UnexpectedAnswer(f"{self.name}: answers a SET with other objects than were set")
            done += len(part)
        return sends

    async def _get_part(self, oids: tuple[Oid, ...]) -> dict[Oid, Value]:
        """One GET, repeated when nothing comes back."""
        for attempt in range(self._access.retries + 1):
            try:
                answer = await self._ask(self._read, _nulls(oids))
            except CabinetTimeout:
                if attempt == self._access.retries:
                    raise
            else:
                return self._values(answer, oids)
        raise AssertionError("not reached")

    def _values(self, answer: Message, oids: tuple[Oid, ...]) -> dict[Oid, Value]:
        found: dict[Oid, Value] = {}
        for oid, tag, value in answer.bindings:
            if tag >= Tag.NO_SUCH_OBJECT:
                raise NoSuchName(f"{self.name}: no object {oid}", tag, oid)
            found[oid] = value
        if len(found) != len(oids) or any(oid not in found for oid in oids):
            raise UnexpectedAnswer(f"{self.name}: answers with other objects than were asked for")
        return found

    async def _each_absent(self, oids: Sequence[Oid]) -> list[Oid]:
        absent: list[Oid] = []
        for oid in oids:
            try:
                await self.get((oid,))
            except NoSuchName:
                absent.append(oid)
        if not absent:
            raise UnexpectedAnswer(f"{self.name}: has every object alone, but not all of them together")
        return absent

    async def _ask(self, message: Message, bindings: bytes) -> Message:
        address = self._address or await self._resolve()
        manager = self._manager
        if manager is None or manager.closed:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            manager = self._manager = await Manager.shared(family)
        if self._access.min_interval:
            await self._wait_turn()
        began = time.monotonic()
        try:
            answer = await manager.request(address, message, bindings, self.pace.timeout)
        except CabinetTimeout:
            self.pace.missed()
            raise
        self.pace.answered(time.monotonic() - began)
        if answer.error_status:
            raise self._refused(answer)
        return answer

    async def _resolve(self) -> Address:
        """The device's numeric address; answers are checked to come from there."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._access.host, self._access.port, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise CabinetOffline(f"{self.name}: the name cannot be resolved: {error}") from error
        host, port = min(found, key=lambda entry: entry[0] != socket.AF_INET)[4][:2]
        self._address = (str(host), int(port))
        return self._address

    async def _wait_turn(self) -> None:
        now = time.monotonic()
        at = max(now, self._next_send)
        self._next_send = at + self._access.min_interval
        if at > now:
            await asyncio.sleep(at - now)

    def _refused(self, answer: Message) -> SnmpRefused:
        position = answer.error_index
        at_fault = answer.bindings[position - 1].oid if 0 < position <= len(answer.bindings) else ()
        return refusal(self.name, answer.error_status, at_fault)

    def _take_less(self, tried: int) -> None:
        if tried <= 1:
            raise TooBig(f"{self.name}: says that even a single object is too big", 1)
        self.max_varbinds = max(1, tried * 3 // 4)


@lru_cache(maxsize=1_024)
def _nulls(oids: tuple[Oid, ...]) -> bytes:
    return encode_bindings(map(null, oids))
