"""How many Modbus cabinets one core can look at: our driver, and pymodbus's bare client, in the same run."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import uvloop
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from benchmarks._fleet import Ask, Tally, ask_all
from benchmarks._table import Figure, main
from stopline_cabinets.modbus import ModbusCabinet
from stopline_cabinets.modbus.registers import STATE_LENGTH
from stopline_hil.example import crossroads
from stopline_signals.errors import CabinetError

CABINETS = 100
SECONDS = 10.0
CASE = "100 Modbus cabinets, 10 Hz, whole state (125 registers) each, loopback"


def measure() -> Sequence[Figure]:
    """Look at 100 cabinets ten times a second, their whole state each, and say what that costs one core."""
    with _cabinets() as ports:
        ours, cpu = uvloop.run(_run_ours(ports))
        figures = list(ours.figures(CASE, "stopline", cpu, held=True))
        theirs, cpu = uvloop.run(_run_pymodbus(ports))
        figures += theirs.figures(CASE, "pymodbus", cpu, held=False)
    return figures


@contextmanager
def _cabinets() -> Generator[list[int], None, None]:
    command = [sys.executable, "-m", "benchmarks._modbus_devices", str(CABINETS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        yield [int(port) for port in process.stdout.readline().split()]
        process.stdin.close()


async def _run_ours(ports: list[int]) -> tuple[Tally, float]:
    """The driver as the controller uses it: deadline, check for torn reads, decoded state."""
    plan = crossroads()
    cabinets = [ModbusCabinet("127.0.0.1", port, plan, owner=1, timeout=0.1) for port in ports]
    for cabinet in cabinets:
        await _reach(cabinet)

    def ask(cabinet: ModbusCabinet) -> Ask:
        async def once() -> bool:
            try:
                return (await cabinet.read()).plan_digest != 0
            except CabinetError:
                return False

        return once

    tally = await ask_all([ask(cabinet) for cabinet in cabinets], SECONDS)
    for cabinet in cabinets:
        await cabinet.close()
    return tally


async def _reach(cabinet: ModbusCabinet) -> None:
    """Connect before anything is measured, however busy the machine is."""
    for _ in range(50):
        with contextlib.suppress(CabinetError):
            await cabinet.connect(lease=False)
            return
        await asyncio.sleep(0.1)


async def _run_pymodbus(ports: list[int]) -> tuple[Tally, float]:
    """The bare client: registers come back and are not looked at."""
    clients = [AsyncModbusTcpClient("127.0.0.1", port=port, retries=0, timeout=0.1) for port in ports]
    await asyncio.gather(*(client.connect() for client in clients))

    def ask(client: AsyncModbusTcpClient) -> Ask:
        async def once() -> bool:
            try:
                answer = await client.read_input_registers(0, count=STATE_LENGTH, device_id=1)
            except ModbusException:
                return False
            return len(answer.registers) == STATE_LENGTH

        return once

    tally = await ask_all([ask(client) for client in clients], SECONDS)
    for client in clients:
        client.close()
    return tally


if __name__ == "__main__":
    sys.exit(main(measure))
