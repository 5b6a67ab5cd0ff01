"""The manager and its peers against an agent that loses, repeats, delays, forges and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from stopline_cabinets.errors import CabinetOffline
from stopline_cabinets.ntcip.dialing import RenamingPeer
from stopline_cabinets.snmp.codec import (
    ErrorStatus,
    Message,
    Oid,
    Pdu,
    Tag,
    Value,
    VarBind,
    decode,
    encode,
    integer,
)
from stopline_cabinets.snmp.errors import BadValue, NoSuchName, NotWritable, TooBig, UnexpectedAnswer
from stopline_cabinets.snmp.manager import Manager
from stopline_cabinets.snmp.peer import Access, CommunityPeer, Pace
from stopline_cabinets.snmp.v3 import UserAccess, UserPeer
from stopline_signals.errors import CabinetError, CabinetTimeout
from tests.cabinets.ntcip_foreign_agent import ForeignAgent, ForeignController

BASE: Oid = (1, 3, 6, 1, 4, 1, 9999)
OBJECTS = [(*BASE, number) for number in range(1, 31)]
Answers = Callable[[Message], list[Message | bytes]]


class Agent(asyncio.DatagramProtocol):
    """Serves OBJECTS; `most` is what it calls too big, `answers` may replace what it says."""

    def __init__(self) -> None:
        self.values: dict[Oid, Value] = {oid: number for number, oid in enumerate(OBJECTS)}
        self.heard: list[Message] = []
        self.answers: Answers | None = None
        self.most = 1000
        self.silent = 0
        self.delay = 0.0
        self.under_way = self.most_under_way = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = decode(data)
        self.heard.append(message)
        self.under_way += message.pdu == Pdu.SET
        self.most_under_way = max(self.most_under_way, self.under_way)
        if self.silent:
            self.silent -= 1
            self.under_way -= message.pdu == Pdu.SET
            return
        asyncio.get_running_loop().call_later(self.delay, self.reply, message, addr)

    def reply(self, message: Message, addr: tuple[str, int]) -> None:
        self.under_way -= message.pdu == Pdu.SET
        for answer in self.answers(message) if self.answers else [self.answer(message)]:
            frame = answer if isinstance(answer, bytes) else encode(answer)
            self.transport.sendto(frame, addr)

    def answer(self, message: Message) -> Message:
        reply = message._replace(pdu=Pdu.RESPONSE)
        if len(message.bindings) > self.most:
            return reply._replace(error_status=ErrorStatus.TOO_BIG)
        if message.pdu == Pdu.SET:
            self.values |= {binding.oid: binding.value for binding in message.bindings}
            return reply
        for index, binding in enumerate(message.bindings, start=1):
            if binding.oid not in self.values and message.version == 0:
                return reply._replace(error_status=ErrorStatus.NO_SUCH_NAME, error_index=index)
        found = [self.binding(binding.oid) for binding in message.bindings]
        return reply._replace(bindings=tuple(found))

    def binding(self, oid: Oid) -> VarBind:
        if oid not in self.values:
            return VarBind(oid, Tag.NO_SUCH_INSTANCE, None)
        return integer(oid, cast(int, self.values[oid]))


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    transport, found = await asyncio.get_running_loop().create_datagram_endpoint(
        Agent, local_addr=("127.0.0.1", 0)
    )
    yield found
    transport.close()


@pytest.fixture
async def manager() -> AsyncIterator[Manager]:
    found = await Manager.open()
    yield found
    found.close()


def peer_of(agent: Agent, manager: Manager, **options: Any) -> CommunityPeer:
    known: dict[str, Any] = {"host": "127.0.0.1", "port": agent.port, "timeout": 0.3} | options
    return CommunityPeer(Access(**known), manager=manager)


async def test_thirty_objects_come_in_two_messages(agent: Agent, manager: Manager) -> None:
    peer = peer_of(agent, manager)
    assert await peer.get(OBJECTS) == dict(zip(OBJECTS, range(30), strict=True))
    assert [len(message.bindings) for message in agent.heard] == [20, 10]


async def test_too_big_makes_messages_smaller_for_good(agent: Agent, manager: Manager) -> None:
    agent.most = 7
    peer = peer_of(agent, manager)
    assert await peer.get(OBJECTS) == dict(zip(OBJECTS, range(30), strict=True))
    assert peer.max_varbinds <= 7
    agent.heard.clear()
    await peer.get(OBJECTS)
    assert max(len(message.bindings) for message in agent.heard) == peer.max_varbinds
    peer.forget()
    assert peer.max_varbinds == 20


async def test_a_device_for_which_one_object_is_too_big_is_said_to_be_broken(
    agent: Agent, manager: Manager
) -> None:
    agent.most = 0
    with pytest.raises(TooBig, match="single object"):
        await peer_of(agent, manager).get(OBJECTS[:3])


@pytest.mark.parametrize("version", [0, 1])
async def test_an_absent_object_is_named_and_can_be_left_out(
    agent: Agent, manager: Manager, version: int
) -> None:
    peer = peer_of(agent, manager, version=version)
    absent = (*BASE, 99)
    with pytest.raises(NoSuchName) as caught:
        await peer.get([OBJECTS[0], absent])
    assert caught.value.oid == absent
    assert await peer.get_available([OBJECTS[0], absent, OBJECTS[1]]) == {OBJECTS[0]: 0, OBJECTS[1]: 1}
    agent.heard.clear()
    await peer.get_available([OBJECTS[0], absent])
    assert [len(message.bindings) for message in agent.heard] == [1], "it is not asked for again"


async def test_a_device_that_does_not_say_which_object_it_lacks_is_asked_for_each(
    agent: Agent, manager: Manager
) -> None:
    def vague(message: Message) -> list[Message | bytes]:
        answer = agent.answer(message)
        return [answer._replace(error_index=0)]

    agent.answers = vague
    found = await peer_of(agent, manager).get_available([OBJECTS[0], (*BASE, 99), OBJECTS[1]])
    assert found == {OBJECTS[0]: 0, OBJECTS[1]: 1}


async def test_silence_is_a_timeout_after_one_repetition(agent: Agent, manager: Manager) -> None:
    agent.silent = 2
    peer = peer_of(agent, manager)
    with pytest.raises(CabinetTimeout):
        await peer.get(OBJECTS[:1])
    assert len(agent.heard) == 2
    assert len({message.request_id for message in agent.heard}) == 2, "every try has a number of its own"
    assert await peer.get(OBJECTS[:1]) == {OBJECTS[0]: 0}


async def test_a_repeated_set_carries_what_is_wanted_then(agent: Agent, manager: Manager) -> None:
    """The old wish must not reach the cabinet after a new one."""
    agent.silent = 1
    wishes = iter([17, 34])
    sends = await peer_of(agent, manager).set(lambda: [integer(OBJECTS[0], next(wishes))])
    assert sends == 2
    assert [message.bindings[0].value for message in agent.heard] == [17, 34]
    assert agent.values[OBJECTS[0]] == 34


async def test_objects_a_device_has_elsewhere_are_read_and_set_there(agent: Agent, manager: Manager) -> None:
    known, absent, there = (1, 3, 6, 1), (1, 3, 6, 2), OBJECTS[7]
    peer = RenamingPeer(peer_of(agent, manager), {known: there})
    assert await peer.get([known, OBJECTS[1]]) == {known: 7, OBJECTS[1]: 1}
    assert await peer.get_available([known, absent]) == {known: 7}
    await peer.set(lambda: [integer(known, 70)])
    assert agent.values[there] == 70
    assert (peer.name, peer.max_varbinds) == (f"127.0.0.1:{agent.port}", 20)


async def test_one_set_at_a_time(agent: Agent, manager: Manager) -> None:
    agent.delay = 0.02
    peer = peer_of(agent, manager)
    await asyncio.gather(*(peer.set(lambda: [integer(OBJECTS[0], 1)]) for _ in range(6)))
    assert agent.most_under_way == 1
    assert len(agent.heard) == 6


async def test_a_late_answer_is_counted_and_not_taken_for_another(agent: Agent, manager: Manager) -> None:
    agent.delay = 0.35
    peer = peer_of(agent, manager, retries=0)
    with pytest.raises(CabinetTimeout):
        await peer.get(OBJECTS[:1])
    agent.delay = 0.0
    assert await peer.get(OBJECTS[1:2]) == {OBJECTS[1]: 1}
    await asyncio.sleep(0.2)
    assert (manager.counters.timeouts, manager.counters.late, manager.counters.unknown) == (1, 1, 0)


async def test_a_duplicate_a_forgery_and_damage_change_nothing(agent: Agent, manager: Manager) -> None:
    def noisy(message: Message) -> list[Message | bytes]:
        good = agent.answer(message)
        wrong = good._replace(bindings=(integer(OBJECTS[0], 666),))
        return [
            b"\x30\x82garbage",
            wrong._replace(request_id=good.request_id ^ 1),
            wrong._replace(version=1),
            wrong._replace(pdu=Pdu.SET),
            good,
            good,
        ]

    agent.answers = noisy
    assert await peer_of(agent, manager).get(OBJECTS[:1]) == {OBJECTS[0]: 0}
    await asyncio.sleep(0.05)
    counters = manager.counters
    assert (counters.malformed, counters.foreign, counters.unknown) == (1, 1, 3)


async def test_an_answer_from_another_address_is_not_taken(agent: Agent, manager: Manager) -> None:
    """A host in the network that reads the request cannot answer for the cabinet from its own address."""
    forger, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    transport = cast("asyncio.DatagramTransport", manager._transport)  # pyright: ignore[reportPrivateUsage] # where it would have to send to
    port = transport.get_extra_info("sockname")[1]

    def forged(message: Message) -> list[Message | bytes]:
        answer = agent.answer(message)._replace(bindings=(integer(OBJECTS[0], 666),))
        forger.sendto(encode(answer), ("127.0.0.1", port))
        return []

    agent.answers = forged
    with pytest.raises(CabinetTimeout):
        await peer_of(agent, manager, retries=0).get(OBJECTS[:1])
    assert manager.counters.foreign == 1
    forger.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda answer: answer._replace(bindings=()),
        lambda answer: answer._replace(bindings=answer.bindings[:1]),
        lambda answer: answer._replace(bindings=(answer.bindings[0], answer.bindings[0])),
        lambda answer: answer._replace(bindings=(answer.bindings[0], integer((*BASE, 77), 1))),
    ],
)
async def test_an_answer_with_other_objects_is_refused(
    agent: Agent, manager: Manager, spoil: Callable[[Message], Message]
) -> None:
    agent.answers = lambda message: [spoil(agent.answer(message))]
    with pytest.raises(UnexpectedAnswer):
        await peer_of(agent, manager).get(OBJECTS[:2])


async def test_objects_are_told_by_their_name_not_their_place(agent: Agent, manager: Manager) -> None:
    def turned(message: Message) -> list[Message | bytes]:
        answer = agent.answer(message)
        return [answer._replace(bindings=answer.bindings[::-1])]

    agent.answers = turned
    assert await peer_of(agent, manager).get(OBJECTS[:3]) == dict(zip(OBJECTS[:3], range(3), strict=True))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(2, NoSuchName), (3, BadValue), (4, NotWritable), (6, NotWritable), (10, BadValue), (17, NotWritable)],
)
async def test_a_refused_set_says_what_and_where(
    agent: Agent, manager: Manager, status: int, kind: type[CabinetError]
) -> None:
    agent.answers = lambda message: [message._replace(pdu=Pdu.RESPONSE, error_status=status, error_index=2)]
    with pytest.raises(kind, match=f"127.0.0.1:{agent.port}.*1.3.6.1.4.1.9999.2"):
        await peer_of(agent, manager).set(lambda: [integer(oid, 1) for oid in OBJECTS[:3]])
    assert len(agent.heard) == 1, "a refusal is final"


async def test_a_slow_device_is_not_asked_faster_than_it_likes(agent: Agent, manager: Manager) -> None:
    peer = peer_of(agent, manager, max_varbinds=1, min_interval=0.05)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await peer.get(OBJECTS[:5])
    assert loop.time() - began >= 0.2


async def test_a_cancelled_request_leaves_nothing_behind(agent: Agent, manager: Manager) -> None:
    agent.delay = 0.05
    peer = peer_of(agent, manager)
    task = asyncio.create_task(peer.get(OBJECTS[:1]))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.1)
    assert manager.counters.late == 1
    assert await peer.get(OBJECTS[:1]) == {OBJECTS[0]: 0}


async def test_a_closed_manager_says_so(agent: Agent) -> None:
    manager = await Manager.open()
    request = asyncio.create_task(
        manager.request(("127.0.0.1", agent.port), Message(0, b"public", Pdu.GET, 0), b"\x30\x00", 5)
    )
    agent.silent = 1
    await asyncio.sleep(0.02)
    manager.close()
    with pytest.raises(CabinetOffline):
        await request
    with pytest.raises(CabinetOffline):
        await manager.request(("127.0.0.1", 9), Message(0, b"public", Pdu.GET, 0), b"\x30\x00", 1)


async def test_a_name_that_does_not_resolve_is_offline(manager: Manager) -> None:
    peer = CommunityPeer(Access(host="no-such-cabinet.invalid"), manager=manager)
    with pytest.raises(CabinetOffline, match="cannot be resolved"):
        await peer.get(OBJECTS[:1])


def test_the_time_to_wait_follows_the_device() -> None:
    pace = Pace(2.0)
    assert pace.timeout == 2.0
    for _ in range(20):
        pace.answered(0.06)
    assert pace.timeout == 0.25
    for _ in range(20):
        pace.answered(0.5)
    assert 0.5 < pace.timeout < 2.0
    for _ in range(5):
        pace.missed()
    assert pace.timeout == 2.0


async def test_version_3_reads_and_sets_with_authentication_and_privacy() -> None:
    controller = ForeignController()
    agent = ForeignAgent(controller)
    peer = UserPeer(
        UserAccess(
            host="127.0.0.1",
            port=await agent.port(),
            user="stopline",
            auth_key="authentication",
            privacy_key="privacy-privacy",
        )
    )
    backup = (1, 3, 6, 1, 4, 1, 1206, 4, 2, 1, 3, 3, 0)
    pattern = (1, 3, 6, 1, 4, 1, 1206, 4, 2, 1, 4, 14, 0)
    absent = (1, 3, 6, 1, 4, 1, 1206, 4, 2, 1, 9, 9, 9)
    assert await peer.get([backup, pattern]) == {backup: 10, pattern: 0}
    assert await peer.set(lambda: [integer(pattern, 254)]) == 1
    assert controller.values["systemPatternControl"] == 254
    assert await peer.get_available([backup, absent]) == {backup: 10}
    with pytest.raises(NoSuchName):
        await peer.get([absent])
    agent.close()


async def test_version_3_with_a_wrong_key_says_what_to_check() -> None:
    agent = ForeignAgent(ForeignController())
    peer = UserPeer(
        UserAccess(
            host="127.0.0.1",
            port=await agent.port(),
            user="stopline",
            auth_key="not the right one",
            privacy_key="privacy-privacy",
            timeout=0.5,
        )
    )
    with pytest.raises(CabinetError, match=r"check the user|no answer"):
        await peer.get([(1, 3, 6, 1, 2, 1, 1, 1, 0)])
    agent.close()
