"""How many NTCIP cabinets one core can look at: our SNMP manager and pysnmp, in the same run."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

from benchmarks._table import Figure, main
from stopline_cabinets.ntcip.masks import cells
from stopline_cabinets.snmp.codec import Oid
from stopline_cabinets.snmp.manager import Manager
from stopline_cabinets.snmp.peer import Access, CommunityPeer
from stopline_signals.errors import CabinetError

CABINETS = 100
PERIOD_S = 0.1
SECONDS = 10.0
PEER_SECONDS = 5.0
"""For pysnmp, which does not keep up: it has shown what it can by then."""
COLUMNS = ("Reds", "Yellows", "Greens", "DontWalks", "PedClears", "Walks", "VehCalls", "PedCalls", "PhaseOns")
OIDS: tuple[Oid, ...] = tuple(
    oid for column in (*COLUMNS, "PhaseNexts") for oid in cells(f"phaseStatusGroup{column}", 2)
)
assert len(OIDS) == 20
CASE = "100 NTCIP cabinets, 10 Hz, 20 objects each, SNMPv1, loopback"

Ask = Callable[[], Awaitable[bool]]
"""Asks one cabinet once; True when it answered."""


@dataclass
class Tally:
    """What came of the requests that were due."""

    due: int = 0
    in_time: int = 0
    latencies: list[float] = field(default_factory=list[float])

    def figures(self, who: str, cpu: float, *, held: bool) -> Iterator[Figure]:
        ordered = sorted(self.latencies) or [float("nan")]
        share = 100 * self.in_time / max(self.due, 1)
        p50, p99 = (1000 * ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
        yield Figure(CASE, f"{who}: answered within 100 ms, %", share, 100 if held else None, at_least=True)
        yield Figure(CASE, f"{who}: p50, ms", p50)
        yield Figure(CASE, f"{who}: p99, ms", p99, 10 if held else None)
        yield Figure(CASE, f"{who}: share of one core, %", 100 * cpu, 25 if held else None)


def measure() -> Sequence[Figure]:
    """Look at 100 cabinets ten times a second, 20 objects each, and say what that costs one core."""
    with _agents() as ports:
        ours, cpu = uvloop.run(_run_ours(ports))
        figures = list(ours.figures("stopline", cpu, held=True))
    with _agents() as ports:
        theirs, cpu = asyncio.run(_run_pysnmp(ports))
        figures += theirs.figures("pysnmp", cpu, held=False)
    return figures


@contextmanager
def _agents() -> Generator[list[int], None, None]:
    command = [sys.executable, "-m", "benchmarks._snmp_agent", str(CABINETS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        yield [int(port) for port in process.stdout.readline().split()]
        process.stdin.close()


async def _run_ours(ports: list[int]) -> tuple[Tally, float]:
    manager = await Manager.open()

    def ask(port: int) -> Ask:
        peer = CommunityPeer(
            Access(host="127.0.0.1", port=port, timeout=PERIOD_S, retries=0), manager=manager
        )

        async def once() -> bool:
            try:
                return len(await peer.get(OIDS)) == len(OIDS)
            except CabinetError:
                return False

        return once

    tally = await _run([ask(port) for port in ports], SECONDS)
    manager.close()
    return tally


async def _run_pysnmp(ports: list[int]) -> tuple[Tally, float]:
    from pysnmp.hlapi.v3arch import asyncio as hlapi

    api = cast(Any, hlapi)
    engine = api.SnmpEngine()
    community, context = api.CommunityData("public", mpModel=0), api.ContextData()
    objects = [api.ObjectType(api.ObjectIdentity(oid)) for oid in OIDS]

    async def ask(port: int) -> Ask:
        target = await api.UdpTransportTarget.create(("127.0.0.1", port), timeout=1, retries=0)

        async def once() -> bool:
            failed, status, _, found = await api.get_cmd(
                engine, community, target, context, *objects, lookupMib=False
            )
            return not failed and not int(status) and len(found) == len(OIDS)

        return once

    tally = await _run([await ask(port) for port in ports], PEER_SECONDS)
    engine.close_dispatcher()
    return tally


async def _run(asks: Sequence[Ask], seconds: float) -> tuple[Tally, float]:
    """Ask everybody every period, spread over it; also the CPU time of this process over the clock's."""
    tally = Tally()
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(
        *(
            _ask_on(ask, began + PERIOD_S * (1 + number / len(asks)), seconds, tally)
            for number, ask in enumerate(asks)
        )
    )
    return tally, (time.process_time() - cpu) / (time.perf_counter() - began)


async def _ask_on(ask: Ask, first: float, seconds: float, tally: Tally) -> None:
    for number in range(round(seconds / PERIOD_S)):
        due = first + number * PERIOD_S
        tally.due += 1
        if time.perf_counter() > due + PERIOD_S:
            continue  # the one before took so long that this one was never asked
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        sent = time.perf_counter()
        answered = await ask()
        now = time.perf_counter()
        tally.latencies.append(now - sent)
        tally.in_time += answered and now - due <= PERIOD_S


if __name__ == "__main__":
    sys.exit(main(measure))
