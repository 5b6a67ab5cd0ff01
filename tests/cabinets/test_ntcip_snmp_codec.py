"""The codec against golden bytes, against pysnmp both ways, and against what net-snmp really sends."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto import rfc1155, rfc1157, rfc1902, rfc1905
from pysnmp.proto.api import v1, v2c

from stopline_cabinets.snmp.codec import (
    DecodeError,
    ErrorStatus,
    Message,
    Pdu,
    Tag,
    VarBind,
    Version,
    decode,
    dotted,
    encode,
    encode_integer,
    encode_oid,
    integer,
    null,
    octets,
    parse_oid,
)

ARC = st.integers(0, 2**32 - 1)
OIDS = st.one_of(
    st.tuples(st.integers(0, 1), st.integers(0, 39), st.lists(ARC, max_size=20)),
    st.tuples(st.just(2), st.integers(0, 2**31), st.lists(ARC, max_size=20)),
).map(lambda parts: (parts[0], parts[1], *parts[2]))
INTEGERS = st.one_of(
    st.integers(-(2**31), 2**31 - 1), st.sampled_from([0, 127, 128, -128, -129, 255, 256, 32767, 32768])
)
STRINGS = st.one_of(
    st.binary(max_size=300), st.sampled_from([b"x" * 127, b"x" * 128, b"x" * 255, b"x" * 256])
)
COUNTERS = st.sampled_from((Tag.COUNTER32, Tag.GAUGE32, Tag.TIME_TICKS))
BINDINGS = st.one_of(
    st.builds(VarBind, OIDS, st.just(Tag.INTEGER), INTEGERS),
    st.builds(VarBind, OIDS, st.just(Tag.OCTETS), STRINGS),
    st.builds(VarBind, OIDS, st.just(Tag.OPAQUE), STRINGS),
    st.builds(VarBind, OIDS, st.just(Tag.IP_ADDRESS), st.binary(min_size=4, max_size=4)),
    st.builds(VarBind, OIDS, st.just(Tag.OID), OIDS),
    st.builds(VarBind, OIDS, COUNTERS, st.integers(0, 2**32 - 1)),
    st.builds(null, OIDS),
)
V2_BINDINGS = st.one_of(
    BINDINGS,
    st.builds(VarBind, OIDS, st.just(Tag.COUNTER64), st.integers(0, 2**64 - 1)),
    st.builds(
        VarBind,
        OIDS,
        st.sampled_from((Tag.NO_SUCH_OBJECT, Tag.NO_SUCH_INSTANCE, Tag.END_OF_MIB_VIEW)),
        st.none(),
    ),
)


def messages(version: Version) -> st.SearchStrategy[Message]:
    bindings = BINDINGS if version is Version.V1 else V2_BINDINGS
    kinds = [Pdu.GET, Pdu.GET_NEXT, Pdu.RESPONSE, Pdu.SET]
    return st.builds(
        Message,
        st.just(version),
        st.binary(max_size=140),
        st.sampled_from(kinds),
        st.integers(-(2**31), 2**31 - 1),
        st.integers(0, 5),
        st.integers(0, 20),
        st.lists(bindings, max_size=8).map(tuple),
    )


MESSAGES = st.one_of(messages(Version.V1), messages(Version.V2C))


@given(MESSAGES)
def test_what_is_encoded_is_decoded(message: Message) -> None:
    assert decode(encode(message)) == message


@given(MESSAGES)
def test_pysnmp_reads_what_we_encode(message: Message) -> None:
    api: Any = v1 if message.version == Version.V1 else v2c
    seen, rest = decoder.decode(encode(message), asn1Spec=api.Message())
    pdu = api.apiMessage.get_pdu(seen)
    assert rest == b""
    assert bytes(api.apiMessage.get_community(seen)) == message.community
    assert int(api.apiPDU.get_request_id(pdu)) == message.request_id
    assert int(api.apiPDU.get_error_status(pdu)) == message.error_status
    found = [(tuple(name), value) for name, value in api.apiPDU.get_varbinds(pdu)]
    assert [name for name, _ in found] == [binding.oid for binding in message.bindings]
    for (_, value), binding in zip(found, message.bindings, strict=True):
        assert plain(value, binding.tag) == binding.value


@given(MESSAGES)
def test_we_read_what_pysnmp_encodes(message: Message) -> None:
    # Not byte for byte: pyasn1 encodes -128 in two octets.
    assert decode(pysnmp_bytes(message)) == message


CONTROL = parse_oid("1.3.6.1.4.1.1206.4.2.1.3.5.0")
MASK = parse_oid("1.3.6.1.4.1.1206.4.2.1.1.5.1.4.1")
PATTERN = parse_oid("1.3.6.1.4.1.1206.4.2.1.4.14.0")


@pytest.mark.parametrize(
    ("recorded", "message"),
    [
        (
            "302e02010004067075626c6963a02102042d1201db02010002010030133011060d2b0601040189360402010305000500",
            Message(Version.V1, b"public", Pdu.GET, 0x2D1201DB, bindings=(null(CONTROL),)),
        ),
        (
            "304d020100040d61646d696e6973747261746f72a33902042676bafa020100020100302b3014060f2b060104018936"
            "0402010105010401020122"
            "3013060d2b060104018936040201040e00020200fe",
            Message(
                Version.V1,
                b"administrator",
                Pdu.SET,
                0x2676BAFA,
                bindings=(integer(MASK, 34), integer(PATTERN, 254)),
            ),
        ),
        (
            "302e02010104067075626c6963a12102044518b49b02010002010030133011060d2b0601040189360402010305000500",
            Message(Version.V2C, b"public", Pdu.GET_NEXT, 0x4518B49B, bindings=(null(CONTROL),)),
        ),
    ],
    ids=["get", "set", "getnext"],
)
def test_bytes_recorded_from_net_snmp(recorded: str, message: Message) -> None:
    assert encode(message).hex() == recorded
    assert decode(bytes.fromhex(recorded)) == message


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (0, "020100"),
        (127, "02017f"),
        (128, "02020080"),
        (-128, "020180"),
        (-129, "0202ff7f"),
        (256, "02020100"),
        (2**31 - 1, "02047fffffff"),
        (-(2**31), "020480000000"),
    ],
)
def test_integers_take_the_fewest_octets(value: int, content: str) -> None:
    assert encode_integer(value).hex() == content


def test_a_counter_over_31_bits_has_a_leading_zero_and_is_read_without_one_too() -> None:
    message = Message(1, b"c", Pdu.RESPONSE, 1, bindings=(VarBind((1, 3), Tag.COUNTER32, 2**31),))
    frame = encode(message)
    assert bytes.fromhex("41050080000000") in frame
    sloppy = frame.replace(bytes.fromhex("41050080000000"), bytes.fromhex("410480000000"))
    sloppy = bytes((sloppy[0], sloppy[1] - 1)) + sloppy[2:]
    for inner in (b"\xa2", b"\x30"):
        at = sloppy.index(inner, 3)
        sloppy = sloppy[: at + 1] + bytes((sloppy[at + 1] - 1,)) + sloppy[at + 2 :]
    at = sloppy.rindex(b"\x30")
    sloppy = sloppy[: at + 1] + bytes((sloppy[at + 1] - 1,)) + sloppy[at + 2 :]
    assert decode(sloppy) == message


def test_lengths_in_more_octets_than_needed_are_read() -> None:
    frame = encode(Message(0, b"public", Pdu.GET, 7, bindings=(null((1, 3, 6)),)))
    padded = b"\x30\x84\x00\x00\x00" + frame[1:]
    assert decode(padded) == decode(frame)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x30\x03\x02\x01",
        bytes.fromhex("3003020102"),
        bytes.fromhex("30030201030405"),
        b"\x30\x85\x00\x00\x00\x00\x01\x00",
        b"\xff" * 100,
        b"\x30" * 60_000,
    ],
)
def test_what_is_no_message_is_refused(frame: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(frame)


def test_version_3_is_refused_by_name() -> None:
    with pytest.raises(DecodeError, match="version 3"):
        decode(bytes.fromhex("3003020103"))


def test_bytes_behind_the_message_are_refused() -> None:
    with pytest.raises(DecodeError, match="after the message"):
        decode(encode(Message(0, b"public", Pdu.GET, 7)) + b"\x00")


@pytest.mark.parametrize("oid", [(), (1,), (3, 1), (1, 40), (1, 3, -1), (1, 3, 2**32), (1,) * 129])
def test_what_is_no_oid_is_not_encoded(oid: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        encode_oid(oid)


@pytest.mark.parametrize(
    "binding",
    [
        integer((1, 3), 2**31),
        VarBind((1, 3), Tag.COUNTER32, -1),
        VarBind((1, 3), Tag.COUNTER32, 2**32),
        VarBind((1, 3), Tag.OCTETS, 5),
        VarBind((1, 3), Tag.INTEGER, b"5"),
        VarBind((1, 3), Tag.NULL, 0),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_not_encoded(binding: VarBind) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode(Message(0, b"public", Pdu.SET, 1, bindings=(binding,)))


def test_an_answer_longer_than_255_bytes_is_read() -> None:
    bindings = tuple(octets((1, 3, 6, number), b"text" * 16) for number in range(20))
    message = Message(1, b"public", Pdu.RESPONSE, 1, ErrorStatus.NO_ERROR, 0, bindings)
    assert len(encode(message)) > 1400
    assert decode(encode(message)) == message


SNMPGET = shutil.which("snmpget")


@pytest.mark.skipif(SNMPGET is None, reason="net-snmp (Debian package snmp) is not installed")
@pytest.mark.parametrize("version", ["1", "2c"])
async def test_net_snmp_and_our_codec_understand_each_other(version: str) -> None:
    """snmpget, snmpset and snmpbulkget send to a socket of ours, which answers with our encoder."""
    heard: list[Message] = []

    class Answering(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport: Any = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            message = decode(data)
            heard.append(message)
            assert encode(message) == data, "net-snmp and we encode alike"
            answer = tuple(
                VarBind(b.oid, Tag.INTEGER, -70_000) if b.value is None else b for b in message.bindings
            )
            reply = message._replace(pdu=Pdu.RESPONSE, error_status=0, error_index=0, bindings=answer)
            self.transport.sendto(encode(reply), addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Answering, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    oid = dotted((1, 3, 6, 1, 4, 1, 1206, 4, 2, 1, 3, 5, 0))
    common = [f"-v{version}", "-c", "public", "-On", "-t", "2", "-r", "0", f"127.0.0.1:{port}"]
    assert f".{oid} = INTEGER: -70000" in await run("snmpget", *common, oid)
    assert f".{oid} = INTEGER: 300" in await run("snmpset", *common, oid, "i", "300")
    transport.close()
    assert [(message.pdu, message.community) for message in heard] == [
        (Pdu.GET, b"public"),
        (Pdu.SET, b"public"),
    ]
    assert heard[1].bindings == (integer(parse_oid(oid), 300),)


async def run(tool: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        tool, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 10)
    return output.decode()


def plain(value: Any, tag: int) -> Any:
    if value.__class__.__name__ == "BindValue" or hasattr(value, "getComponent"):
        value = value.getComponent()
    if tag in (Tag.OCTETS, Tag.OPAQUE, Tag.IP_ADDRESS):
        return bytes(value)
    if tag == Tag.OID:
        return tuple(value)
    empty = (Tag.NULL, Tag.NO_SUCH_OBJECT, Tag.NO_SUCH_INSTANCE, Tag.END_OF_MIB_VIEW)
    return None if tag in empty else int(value)


V1_TYPES: dict[int, Any] = {
    Tag.INTEGER: rfc1155.univ.Integer,
    Tag.OCTETS: rfc1155.univ.OctetString,
    Tag.OID: rfc1155.univ.ObjectIdentifier,
    Tag.IP_ADDRESS: rfc1155.IpAddress,
    Tag.COUNTER32: rfc1155.Counter,
    Tag.GAUGE32: rfc1155.Gauge,
    Tag.TIME_TICKS: rfc1155.TimeTicks,
    Tag.OPAQUE: rfc1155.Opaque,
    Tag.NULL: rfc1155.univ.Null,
}
V2_TYPES: dict[int, Any] = {
    Tag.INTEGER: rfc1902.Integer32,
    Tag.OCTETS: rfc1902.OctetString,
    Tag.OID: rfc1902.ObjectIdentifier,
    Tag.IP_ADDRESS: rfc1902.IpAddress,
    Tag.COUNTER32: rfc1902.Counter32,
    Tag.GAUGE32: rfc1902.Unsigned32,
    Tag.TIME_TICKS: rfc1902.TimeTicks,
    Tag.OPAQUE: rfc1902.Opaque,
    Tag.COUNTER64: rfc1902.Counter64,
    Tag.NULL: rfc1902.Null,
}
EXCEPTIONS: dict[int, Any] = {
    Tag.NO_SUCH_OBJECT: rfc1905.noSuchObject,
    Tag.NO_SUCH_INSTANCE: rfc1905.noSuchInstance,
    Tag.END_OF_MIB_VIEW: rfc1905.endOfMibView,
}
PDUS: dict[tuple[int, int], Any] = {
    (Version.V1, Pdu.GET): rfc1157.GetRequestPDU,
    (Version.V1, Pdu.GET_NEXT): rfc1157.GetNextRequestPDU,
    (Version.V1, Pdu.RESPONSE): rfc1157.GetResponsePDU,
    (Version.V1, Pdu.SET): rfc1157.SetRequestPDU,
    (Version.V2C, Pdu.GET): rfc1905.GetRequestPDU,
    (Version.V2C, Pdu.GET_NEXT): rfc1905.GetNextRequestPDU,
    (Version.V2C, Pdu.RESPONSE): rfc1905.ResponsePDU,
    (Version.V2C, Pdu.SET): rfc1905.SetRequestPDU,
}


def pysnmp_bytes(message: Message) -> bytes:
    api: Any = v1 if message.version == Version.V1 else v2c
    types = V1_TYPES if message.version == Version.V1 else V2_TYPES
    pdu = PDUS[message.version, message.pdu]()
    api.apiPDU.set_defaults(pdu)
    api.apiPDU.set_request_id(pdu, message.request_id)
    api.apiPDU.set_error_status(pdu, message.error_status)
    api.apiPDU.set_error_index(pdu, message.error_index)
    bindings = [
        (b.oid, EXCEPTIONS[b.tag] if b.tag in EXCEPTIONS else typed(types[b.tag], b))
        for b in message.bindings
    ]
    api.apiPDU.set_varbinds(pdu, bindings)
    whole = api.Message()
    api.apiMessage.set_defaults(whole)
    api.apiMessage.set_community(whole, message.community)
    api.apiMessage.set_pdu(whole, pdu)
    return bytes(encoder.encode(whole))


def typed(kind: Any, binding: VarBind) -> Any:
    if binding.tag == Tag.NULL:
        return kind("")
    return kind(binding.value)
