"""Foreign managers at the virtual NTCIP cabinet: net-snmp's commands and pysnmp must get what it has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData,
    ContextData,
    Integer32,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    UdpTransportTarget,
    bulk_walk_cmd,
    get_cmd,
    set_cmd,
)

from stopline_hil.ntcip import AgentProfile
from tests.hil.ntcip_virtual import (
    ASC,
    BACKUP_TIME,
    CONTROL_STATUS,
    FORCE_OFF,
    GREENS,
    HOLD,
    NEMA,
    OMIT,
    PATTERN_CONTROL,
    VEH_CALL,
    Virtual,
    bits,
)

ROOMY = AgentProfile(max_message=1400)
V1, V2C = 0, 1


def dotted(oid: Sequence[int]) -> str:
    return ".".join(map(str, oid))


@pytest.fixture
async def bench() -> AsyncIterator[Virtual]:
    found = Virtual(profile=ROOMY)
    await found.cabinet.start()
    yield found
    await found.cabinet.stop()
    found.assert_safe()


Run = Callable[..., Any]


@pytest.fixture
def run(bench: Virtual, tool: Callable[[str], str]) -> Run:
    """Run one of net-snmp's commands at the cabinet: exit code, output lines, and what it complained of."""

    async def command(
        name: str, *arguments: str, version: str = "1", community: str = "administrator"
    ) -> Any:
        at = f"127.0.0.1:{bench.cabinet.port}"
        process = await asyncio.create_subprocess_exec(
            tool(name),
            *(f"-v{version}", "-c", community, "-On", "-Oe", "-r0", "-t2", at, *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode().splitlines(), err.decode()

    return command


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_snmpget_reads_lamps_and_settings(bench: Virtual, run: Run, version: str) -> None:
    wanted = (GREENS, BACKUP_TIME, CONTROL_STATUS)
    code, lines, _ = await run("snmpget", *map(dotted, wanted), version=version, community="public")
    assert code == 0
    values = [bench.number_at(oid) for oid in wanted]
    assert lines == [f".{dotted(oid)} = INTEGER: {value}" for oid, value in zip(wanted, values, strict=True)]


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_snmpset_holds_and_forces_off_a_phase(bench: Virtual, run: Run, version: str) -> None:
    """All masks in one message; the force-off clears itself with the green that it ended."""
    assert bench.greens == bits(2, 6)
    pairs = [(PATTERN_CONTROL, 254), (HOLD, bits(4, 8)), (VEH_CALL, bits(4, 8))]
    pairs += [(OMIT, bits(1, 2, 3, 5, 6, 7)), (FORCE_OFF, bits(2, 6))]
    words = [word for oid, value in pairs for word in (dotted(oid), "i", str(value))]
    code, lines, complaint = await run("snmpset", *words, version=version)
    assert code == 0, complaint
    assert len(lines) == len(pairs)
    assert bench.get(FORCE_OFF) == bits(2, 6)
    bench.until(lambda: bench.greens == bits(4, 8))
    assert bench.get(FORCE_OFF) == 0
    bench.run(200)
    assert bench.get(HOLD) == 0, "the backup timer zeroed what snmpset does not repeat"
    assert bench.get(CONTROL_STATUS) == 4


@pytest.mark.parametrize(
    ("version", "community", "said"),
    [
        ("1", "administrator", "(badValue)"),
        ("2c", "administrator", "wrongValue"),
        ("1", "public", "(noSuchName)"),
        ("2c", "public", "noAccess"),
    ],
)
async def test_snmpset_is_refused_as_a_whole(
    bench: Virtual, run: Run, version: str, community: str, said: str
) -> None:
    bad = "1" if community == "public" else "999"
    words = (dotted(VEH_CALL), "i", "1", dotted(HOLD), "i", bad)
    code, _, complaint = await run("snmpset", *words, version=version, community=community)
    assert code != 0 and said in complaint
    assert bench.get(VEH_CALL) == 0 and bench.get(HOLD) == 0


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_snmpwalk_finds_every_object_in_order(bench: Virtual, run: Run, version: str) -> None:
    code, lines, _ = await run("snmpwalk", dotted((*ASC, 1)), version=version, community="public")
    assert code == 0
    seen = [tuple(map(int, line.split(" = ")[0].strip(".").split("."))) for line in lines]
    ours = [oid for oid in sorted(bench.cabinet.mib.entries) if oid[: len(ASC) + 1] == (*ASC, 1)]
    assert seen == ours and len(ours) > 400


async def test_strangers_get_no_answer(run: Run) -> None:
    code, _, complaint = await run("snmpget", dotted(GREENS), community="guess")
    assert code != 0 and "Timeout" in complaint


class Manager:
    """A pysnmp manager."""

    def __init__(self, port: int, version: int) -> None:
        self._engine = SnmpEngine()
        self._port = port
        self._community = CommunityData("administrator", mpModel=version)

    async def _target(self) -> Any:
        return await UdpTransportTarget.create(("127.0.0.1", self._port), timeout=2, retries=0)

    async def get(self, *oids: Sequence[int]) -> Any:
        objects = [ObjectType(ObjectIdentity(tuple(oid))) for oid in oids]
        target = await self._target()
        return await get_cmd(self._engine, self._community, target, ContextData(), *objects, lookupMib=False)

    async def set(self, *pairs: tuple[Sequence[int], int]) -> Any:
        objects = [ObjectType(ObjectIdentity(tuple(oid)), Integer32(value)) for oid, value in pairs]
        target = await self._target()
        return await set_cmd(self._engine, self._community, target, ContextData(), *objects, lookupMib=False)

    async def walk(self, under: Sequence[int]) -> list[tuple[int, ...]]:
        """Everything below, by GetBulk."""
        found: list[tuple[int, ...]] = []
        start = ObjectType(ObjectIdentity(tuple(under)))
        async for error, status, _, bindings in bulk_walk_cmd(
            self._engine,
            self._community,
            await self._target(),
            ContextData(),
            0,
            25,
            start,
            lookupMib=False,
            lexicographicMode=False,
        ):
            assert not error and not status
            found += [tuple(oid) for oid, _ in bindings]
        return found

    def close(self) -> None:
        self._engine.close_dispatcher()


@pytest.fixture(params=[V1, V2C], ids=["v1", "v2c"])
def manager(bench: Virtual, request: pytest.FixtureRequest) -> Any:
    found = Manager(bench.cabinet.port, request.param)
    yield found
    found.close()


async def test_pysnmp_reads_and_commands(bench: Virtual, manager: Manager) -> None:
    error, status, _, bindings = await manager.get(GREENS, HOLD)
    assert not error and not status
    assert [int(value) for _, value in bindings] == [bits(2, 6), 0]
    error, status, _, _ = await manager.set((HOLD, bits(2)), (VEH_CALL, bits(4)))
    assert not error and not status
    assert (bench.get(HOLD), bench.get(VEH_CALL)) == (bits(2), bits(4))
    error, status, index, _ = await manager.set((HOLD, 0), (VEH_CALL, 256))
    assert int(status) in (3, 10) and int(index) == 2, "badValue in version 1, wrongValue in 2c"
    assert bench.get(HOLD) == bits(2), "all or nothing"


async def test_pysnmp_walks_by_bulk(bench: Virtual) -> None:
    manager = Manager(bench.cabinet.port, V2C)
    found = await manager.walk((*NEMA, 6))
    manager.close()
    assert found == [oid for oid in sorted(bench.cabinet.mib.entries) if oid[: len(NEMA) + 1] == (*NEMA, 6)]
