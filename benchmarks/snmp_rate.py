"""How many NTCIP cabinets one core can look at: our SNMP manager and pysnmp, in the same run."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import uvloop

from benchmarks._fleet import PERIOD_S, Ask, Tally, ask_all
from benchmarks._table import Figure, main
from stopline_cabinets.ntcip.masks import cells
from stopline_cabinets.snmp.codec import Oid
from stopline_cabinets.snmp.manager import Manager
from stopline_cabinets.snmp.peer import Access, CommunityPeer
from stopline_signals.errors import CabinetError

CABINETS = 100
SECONDS = 10.0
PEER_SECONDS = 5.0
"""For pysnmp, which does not keep up: it has shown what it can by then."""
COLUMNS = ("Reds", "Yellows", "Greens", "DontWalks", "PedClears", "Walks", "VehCalls", "PedCalls", "PhaseOns")
OIDS: tuple[Oid, ...] = tuple(
    oid for column in (*COLUMNS, "PhaseNexts") for oid in cells(f"phaseStatusGroup{column}", 2)
)
assert len(OIDS) == 20
CASE = "100 NTCIP cabinets, 10 Hz, 20 objects each, SNMPv1, loopback"


def measure() -> Sequence[Figure]:
    """Look at 100 cabinets ten times a second, 20 objects each, and say what that costs one core."""
    with _agents() as ports:
        ours, cpu = uvloop.run(_run_ours(ports))
        figures = list(ours.figures(CASE, "stopline", cpu, held=True))
    with _agents() as ports:
        theirs, cpu = asyncio.run(_run_pysnmp(ports))
        figures += theirs.figures(CASE, "pysnmp", cpu, held=False)
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

    tally = await ask_all([ask(port) for port in ports], SECONDS)
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

    tally = await ask_all([await ask(port) for port in ports], PEER_SECONDS)
    engine.close_dispatcher()
    return tally


if __name__ == "__main__":
    sys.exit(main(measure))
