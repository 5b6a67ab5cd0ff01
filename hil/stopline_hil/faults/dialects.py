"""What a fault has to know of a protocol: where a frame ends, what it asks for, and how a device says no."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from stopline_cabinets.modbus.registers import LEASE_START, STATE_LENGTH
from stopline_cabinets.snmp.codec import DecodeError, ErrorStatus, Message, Oid, Pdu, VarBind, decode, encode
from stopline_hil.faults.wire import Wire


class Refusal(NamedTuple):
    """How a kind of refusal is said: Modbus exception code, SNMP error status."""

    exception: int
    status: ErrorStatus


REFUSALS: Mapping[str, Refusal] = {
    "busy": Refusal(6, ErrorStatus.GEN_ERR),
    "acknowledge": Refusal(5, ErrorStatus.RESOURCE_UNAVAILABLE),
    "no such object": Refusal(2, ErrorStatus.NO_SUCH_NAME),
    "bad value": Refusal(3, ErrorStatus.BAD_VALUE),
    "too big": Refusal(3, ErrorStatus.TOO_BIG),
    "device failure": Refusal(4, ErrorStatus.COMMIT_FAILED),
    "no such function": Refusal(1, ErrorStatus.READ_ONLY),
}


class Dialect(Protocol):
    """One protocol, frame by frame; what it cannot make of a frame it leaves as it is."""

    def wire(self, host: str, port: int) -> Wire:
        """A wire for it."""
        ...

    def is_write(self, frame: bytes) -> bool:
        """Whether a request commands something or keeps a command alive."""
        ...

    def is_wish(self, frame: bytes) -> bool:
        """Whether a request says what is wanted (not only that somebody is alive)."""
        ...

    def is_news(self, frame: bytes) -> bool:
        """Whether a reply carries the state with its detectors."""
        ...

    def refusal(self, frame: bytes, kind: str) -> bytes | None:
        """The answer that refuses a request."""
        ...

    def misnumbered(self, frame: bytes) -> bytes:
        """With the number of another exchange."""
        ...

    def misaddressed(self, frame: bytes) -> bytes:
        """From another unit, or of another community."""
        ...

    def damaged(self, frame: bytes, dice: random.Random) -> bytes:
        """With one bit of its content changed."""
        ...

    def torn(self, frame: bytes) -> bytes:
        """A reply that mixes two moments."""
        ...


HEADER = 7
"""Octets before the function code: transaction, protocol and length (two each), unit."""
WRITES = frozenset((5, 6, 15, 16, 22, 23))


class ModbusDialect:
    """Modbus TCP, register map 0x0102."""

    def wire(self, host: str, port: int) -> Wire:
        """A TCP wire that sees whole frames."""
        from stopline_hil.faults.tcp import TcpWire

        return TcpWire(host, port, modbus_frame)

    def is_write(self, frame: bytes) -> bool:
        """A write that is no release."""
        return len(frame) > HEADER and frame[HEADER] in WRITES

    def is_wish(self, frame: bytes) -> bool:
        """A plan."""
        return self.is_write(frame) and _address(frame) < LEASE_START

    def is_news(self, frame: bytes) -> bool:
        """The state block."""
        return frame[HEADER : HEADER + 2] == bytes((4, 2 * STATE_LENGTH))

    def refusal(self, frame: bytes, kind: str) -> bytes | None:
        """An exception."""
        if len(frame) <= HEADER:
            return None
        head = frame[:4] + (3).to_bytes(2, "big") + frame[6:7]
        return head + bytes((frame[HEADER] | 0x80, REFUSALS[kind].exception))

    def misnumbered(self, frame: bytes) -> bytes:
        """Another transaction."""
        return bytes((frame[0] ^ 0x55,)) + frame[1:]

    def misaddressed(self, frame: bytes) -> bytes:
        """Another unit."""
        return frame[:6] + bytes((frame[6] ^ 0x7F,)) + frame[7:]

    def damaged(self, frame: bytes, dice: random.Random) -> bytes:
        """One bit after the header: TCP's checksum let it through, or a gateway's memory did it."""
        return _flipped(frame, HEADER, dice)

    def torn(self, frame: bytes) -> bytes:
        """The last register is of another update."""
        return frame[:-1] + bytes((frame[-1] ^ 1,)) if self.is_news(frame) else frame


class SnmpDialect:
    """NTCIP over SNMP v1 and v2c."""

    def __init__(self) -> None:
        self._before: dict[Oid, tuple[VarBind, VarBind]] = {}

    def wire(self, host: str, port: int) -> Wire:
        """A UDP wire."""
        from stopline_hil.faults.udp import UdpWire

        return UdpWire(host, port)

    def is_write(self, frame: bytes) -> bool:
        """A SET."""
        message = _message(frame)
        return message is not None and message.pdu == Pdu.SET

    def is_wish(self, frame: bytes) -> bool:
        """Every SET says all that is wanted."""
        return self.is_write(frame)

    def is_news(self, frame: bytes) -> bool:
        """A reply with detector states."""
        return DETECTOR_STATES in frame

    def refusal(self, frame: bytes, kind: str) -> bytes | None:
        """An error status at the first object."""
        message = _message(frame)
        if message is None:
            return None
        status = REFUSALS[kind].status
        index = 0 if status is ErrorStatus.TOO_BIG else 1
        return encode(message._replace(pdu=Pdu.RESPONSE, error_status=status, error_index=index))

    def misnumbered(self, frame: bytes) -> bytes:
        """Another request."""
        message = _message(frame)
        return frame if message is None else encode(message._replace(request_id=message.request_id ^ 0x5555))

    def misaddressed(self, frame: bytes) -> bytes:
        """Another community."""
        message = _message(frame)
        return frame if message is None else encode(message._replace(community=b"elsewhere"))

    def damaged(self, frame: bytes, dice: random.Random) -> bytes:
        """One bit anywhere: UDP's checksum is optional, and a gateway may compute it anew."""
        return _flipped(frame, 0, dice)

    def torn(self, frame: bytes) -> bytes:
        """Every other object is as it was one value ago."""
        message = _message(frame)
        if message is None or message.pdu != Pdu.RESPONSE:
            return frame
        bindings = list(message.bindings)
        for at, binding in enumerate(bindings):
            older, newer = self._before.get(binding.oid, (binding, binding))
            if newer != binding:
                older, newer = newer, binding
            self._before[binding.oid] = (older, newer)
            if at % 2:
                bindings[at] = older
        return encode(message._replace(bindings=tuple(bindings)))


DETECTOR_STATES = bytes((0x2B, 6, 1, 4, 1, 0x89, 0x36, 4, 2, 1, 2, 4, 1, 2))
"""The OID 1.3.6.1.4.1.1206.4.2.1.2.4.1.2 (vehicleDetectorStatusGroupActive) as it lies in a message."""

DIALECTS: Mapping[str, type[ModbusDialect] | type[SnmpDialect]] = {
    "modbus": ModbusDialect,
    "ntcip": SnmpDialect,
}


def modbus_frame(buffer: bytearray) -> bytes | None:
    """Cut one Modbus TCP frame off a stream; what cannot be one goes as it came."""
    if len(buffer) < 6:
        return None
    end = 6 + int.from_bytes(buffer[4:6], "big")
    if any(buffer[2:4]) or not 8 <= end <= 260:
        end = len(buffer)
    if len(buffer) < end:
        return None
    frame = bytes(buffer[:end])
    del buffer[:end]
    return frame


def _address(frame: bytes) -> int:
    return int.from_bytes(frame[HEADER + 1 : HEADER + 3], "big")


def _flipped(frame: bytes, first: int, dice: random.Random) -> bytes:
    changed = bytearray(frame)
    changed[dice.randrange(min(first, len(frame) - 1), len(frame))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _message(frame: bytes) -> Message | None:
    try:
        return decode(frame)
    except DecodeError:
        return None
