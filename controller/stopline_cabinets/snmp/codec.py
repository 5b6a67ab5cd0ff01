"""SNMPv1 and v2c messages to bytes and back, for managers and agents (RFC 1157, RFC 3416; BER, X.690).

    frame = encode(Message(Version.V1, b"public", Pdu.GET, 7, bindings=(null((1, 3, 6, 1, 2, 1, 1, 1, 0)),)))
    answer = decode(received)             # DecodeError for whatever is not an SNMP message, and nothing else

An OID is a tuple of ints. A value is an int (INTEGER and all counters), bytes (OCTET STRING, IpAddress,
Opaque), a tuple (OBJECT IDENTIFIER) or None (NULL and the v2c exceptions); its tag says which.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from stopline_signals.errors import CabinetError

Oid = tuple[int, ...]
Value = int | bytes | Oid | None

MAX_MESSAGE = 65_507
"""Longest UDP payload over IPv4."""
MAX_BINDINGS = 1_024
MAX_ARCS = 128
MAX_ARC = 0xFFFF_FFFF
LONGEST_INTEGER = 5
"""Content octets of a 32-bit number, a leading 0 included: a Counter32 from 2^31 on has one."""


class DecodeError(CabinetError):
    """Bytes that are not a well-formed SNMP v1 or v2c message."""


class Version(IntEnum):
    """Versions as they stand in the message."""

    V1 = 0
    V2C = 1


class Pdu(IntEnum):
    """Kinds of request and answer; traps are not spoken here."""

    GET = 0xA0
    GET_NEXT = 0xA1
    RESPONSE = 0xA2
    SET = 0xA3
    GET_BULK = 0xA5


class Tag(IntEnum):
    """Types of value."""

    INTEGER = 0x02
    OCTETS = 0x04
    NULL = 0x05
    OID = 0x06
    IP_ADDRESS = 0x40
    COUNTER32 = 0x41
    GAUGE32 = 0x42
    TIME_TICKS = 0x43
    OPAQUE = 0x44
    COUNTER64 = 0x46
    NO_SUCH_OBJECT = 0x80
    NO_SUCH_INSTANCE = 0x81
    END_OF_MIB_VIEW = 0x82


class ErrorStatus(IntEnum):
    """Why an agent refuses a PDU; from NO_ACCESS on only in v2c."""

    NO_ERROR = 0
    TOO_BIG = 1
    NO_SUCH_NAME = 2
    BAD_VALUE = 3
    READ_ONLY = 4
    GEN_ERR = 5
    NO_ACCESS = 6
    WRONG_TYPE = 7
    WRONG_LENGTH = 8
    WRONG_ENCODING = 9
    WRONG_VALUE = 10
    NO_CREATION = 11
    INCONSISTENT_VALUE = 12
    RESOURCE_UNAVAILABLE = 13
    COMMIT_FAILED = 14
    UNDO_FAILED = 15
    AUTHORIZATION_ERROR = 16
    NOT_WRITABLE = 17
    INCONSISTENT_NAME = 18


class VarBind(NamedTuple):
    """One object and its value."""

    oid: Oid
    tag: int
    value: Value


class Message(NamedTuple):
    """A whole message; in a GET_BULK `error_status` is non-repeaters, `error_index` max-repetitions.

    `error_index` counts bindings from 1. `error_status` and `pdu` keep numbers this module does not name.
    """

    version: int
    community: bytes
    pdu: int
    request_id: int
    error_status: int = 0
    error_index: int = 0
    bindings: tuple[VarBind, ...] = ()


def null(oid: Oid) -> VarBind:
    """A binding that asks for the object."""
    return VarBind(oid, Tag.NULL, None)


def integer(oid: Oid, value: int) -> VarBind:
    """An INTEGER binding."""
    return VarBind(oid, Tag.INTEGER, value)


def octets(oid: Oid, value: bytes) -> VarBind:
    """An OCTET STRING binding."""
    return VarBind(oid, Tag.OCTETS, value)


def encode(message: Message) -> bytes:
    """A message as one datagram; ValueError for what BER or SNMP cannot say."""
    return frame(message, encode_bindings(message.bindings))


def decode(data: bytes) -> Message:
    """One datagram as a message; raises DecodeError and nothing else."""
    end = len(data)
    if end > MAX_MESSAGE:
        raise DecodeError(f"{end} bytes are no SNMP message")
    at, stop = _open(data, 0, end, _SEQUENCE)
    if stop != end:
        raise DecodeError(f"{end - stop} bytes after the message")
    version, at = _integer(data, at, end)
    if version not in (Version.V1, Version.V2C):
        raise DecodeError(f"SNMP version {version} is not v1 (0) or v2c (1)")
    at, stop = _open(data, at, end, Tag.OCTETS)
    community = data[at:stop]
    if stop >= end or data[stop] not in _PDUS:
        raise DecodeError("no PDU this codec knows")
    pdu = data[stop]
    at, stop = _open(data, stop, end, pdu)
    if stop != end:
        raise DecodeError(f"{end - stop} bytes after the PDU")
    request_id, at = _integer(data, at, end)
    status, at = _integer(data, at, end)
    index, at = _integer(data, at, end)
    at, stop = _open(data, at, end, _SEQUENCE)
    if stop != end:
        raise DecodeError(f"{end - stop} bytes after the bindings")
    return Message(version, community, pdu, request_id, status, index, _bindings(data, at, end))


def encode_bindings(bindings: Iterable[VarBind]) -> bytes:
    """The bindings' part of a message, to be kept and sent again and again with `frame`."""
    body = b"".join(map(_binding, bindings))
    return b"\x30" + _length(len(body)) + body


def frame(message: Message, bindings: bytes) -> bytes:
    """A message around bindings encoded before; those of `message` itself are not looked at."""
    pdu = (
        encode_integer(message.request_id)
        + encode_integer(message.error_status)
        + encode_integer(message.error_index)
        + bindings
    )
    community = message.community
    head = b"\x02\x01%c\x04" % message.version + _length(len(community)) + community
    pdu = b"%c" % message.pdu + _length(len(pdu)) + pdu
    return b"\x30" + _length(len(head) + len(pdu)) + head + pdu


def encode_integer(value: int, tag: int = Tag.INTEGER) -> bytes:
    """An integer as tag, length and shortest two's complement content."""
    if 0 <= value < 0x80:
        return b"%c\x01%c" % (tag, value)
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return b"%c%c" % (tag, size) + value.to_bytes(size, "big", signed=True)


@lru_cache(maxsize=8_192)
def encode_oid(oid: Oid) -> bytes:
    """An OID as tag, length and content; ValueError when it is none."""
    if len(oid) < 2 or len(oid) > MAX_ARCS or oid[0] > 2 or (oid[0] < 2 and oid[1] > 39):
        raise ValueError(f"{oid} is no object identifier")
    content = bytearray()
    for arc in (oid[0] * 40 + oid[1], *oid[2:]):
        if not 0 <= arc <= MAX_ARC:
            raise ValueError(f"{oid}: {arc} is no arc of an object identifier")
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        content += bytes(reversed(septets))
    return b"\x06" + _length(len(content)) + bytes(content)


def dotted(oid: Oid) -> str:
    """An OID the way people write it."""
    return ".".join(map(str, oid))


def parse_oid(text: str) -> Oid:
    """An OID from 1.3.6... (a leading dot is fine); ValueError when it is none."""
    return tuple(int(part) for part in text.removeprefix(".").split("."))


_SEQUENCE = 0x30
_PDUS = frozenset(int(pdu) for pdu in Pdu)
_INT32 = range(-(1 << 31), 1 << 31)
_EMPTY = frozenset((Tag.NULL, Tag.NO_SUCH_OBJECT, Tag.NO_SUCH_INSTANCE, Tag.END_OF_MIB_VIEW))
_BYTES = frozenset((Tag.OCTETS, Tag.IP_ADDRESS, Tag.OPAQUE))
_UNSIGNED: dict[int, int] = {Tag.COUNTER32: 32, Tag.GAUGE32: 32, Tag.TIME_TICKS: 32, Tag.COUNTER64: 64}


def _binding(binding: VarBind) -> bytes:
    oid, tag, value = binding
    body = encode_oid(oid) + _value(tag, value)
    return b"\x30" + _length(len(body)) + body


def _value(tag: int, value: Value) -> bytes:
    if isinstance(value, int):
        bits = _UNSIGNED.get(tag)
        fits = value in _INT32 if bits is None else 0 <= value < 1 << bits
        if not fits or (bits is None and tag != Tag.INTEGER):
            raise ValueError(f"{value} does not fit a value of type {tag:#04x}")
        return encode_integer(value, tag)
    if value is None and tag in _EMPTY:
        return b"%c\x00" % tag
    if isinstance(value, bytes) and tag in _BYTES:
        return b"%c" % tag + _length(len(value)) + value
    if isinstance(value, tuple) and tag == Tag.OID:
        return encode_oid(value)
    raise ValueError(f"{value!r} does not fit a value of type {tag:#04x}")


def _length(size: int) -> bytes:
    if size < 0x80:
        return b"%c" % size
    if size < 0x100:
        return b"\x81%c" % size
    if size > 0xFFFF:
        raise ValueError(f"{size} bytes do not fit an SNMP message")
    return b"\x82" + size.to_bytes(2, "big")


def _open(data: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Where the content of the value at `at` begins and ends, which lies before `end`."""
    if at + 2 > end:
        raise DecodeError(f"ends early, at byte {end}")
    if data[at] != tag:
        raise DecodeError(f"type {data[at]:#04x} where {tag:#04x} is due, at byte {at}")
    size = data[at + 1]
    at += 2
    if size >= 0x80:
        at, size = _long_length(data, at, end, size)
    if at + size > end:
        raise DecodeError(f"a value of {size} bytes does not fit, at byte {at}")
    return at, at + size


def _long_length(data: bytes, at: int, end: int, first: int) -> tuple[int, int]:
    """Length in more than one octet; leading zeros are allowed, some agents always send four octets."""
    count = first & 0x7F
    if not 1 <= count <= 4 or at + count > end:
        raise DecodeError(f"length octet {first:#04x}, at byte {at - 1}")
    return at + count, int.from_bytes(data[at : at + count], "big")


def _integer(data: bytes, at: int, end: int) -> tuple[int, int]:
    at, stop = _open(data, at, end, Tag.INTEGER)
    return _signed(data[at:stop]), stop


def _bindings(data: bytes, at: int, end: int) -> tuple[VarBind, ...]:
    found: list[VarBind] = []
    while at < end:
        if len(found) == MAX_BINDINGS:
            raise DecodeError(f"more than {MAX_BINDINGS} bindings")
        at, stop = _open(data, at, end, _SEQUENCE)
        at, middle = _open(data, at, stop, Tag.OID)
        oid = _oid(data[at:middle])
        if middle >= stop:
            raise DecodeError(f"an object without a value, at byte {middle}")
        tag = data[middle]
        at, last = _open(data, middle, stop, tag)
        if last != stop:
            raise DecodeError(f"{stop - last} bytes after a value, at byte {last}")
        found.append(VarBind(oid, tag, _content(tag, data[at:last])))
        at = stop
    return tuple(found)


def _content(tag: int, content: bytes) -> Value:
    size = len(content)
    if tag == Tag.INTEGER:
        return _signed(content)
    if tag in _BYTES:
        return content
    if tag in _EMPTY:
        if size:
            raise DecodeError(f"{size} bytes in an empty value")
        return None
    if tag == Tag.OID:
        return _oid(content)
    return _unsigned(tag, content)


def _signed(content: bytes) -> int:
    value = int.from_bytes(content, "big", signed=True)
    if not 1 <= len(content) <= LONGEST_INTEGER or value not in _INT32:
        raise DecodeError(f"an integer of {len(content)} bytes that is not 32 bit")
    return value


def _unsigned(tag: int, content: bytes) -> int:
    """A counter; also from agents that leave out the leading 0 from 2^31 on."""
    bits = _UNSIGNED.get(tag)
    value = int.from_bytes(content, "big")
    if bits is None or not 1 <= len(content) <= bits // 8 + 1 or value >> bits:
        raise DecodeError(f"{len(content)} bytes in a value of type {tag:#04x}")
    return value


@lru_cache(maxsize=8_192)
def _oid(content: bytes) -> Oid:
    if not content or content[-1] & 0x80:
        raise DecodeError("an object identifier that does not end")
    arcs: list[int] = []
    arc = 0
    for octet in content:
        arc = arc << 7 | octet & 0x7F
        if arc > MAX_ARC:
            raise DecodeError("an object identifier with an arc over 32 bits")
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    if len(arcs) >= MAX_ARCS:
        raise DecodeError(f"an object identifier of over {MAX_ARCS} arcs")
    first = min(arcs[0] // 40, 2)
    return first, arcs[0] - 40 * first, *arcs[1:]
