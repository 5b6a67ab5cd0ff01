"""A virtual cabinet on a clock that the test moves, and clients of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from stopline_cabinets.modbus import ModbusCabinet
from stopline_hil.clock import SteppedClock
from stopline_hil.example import crossroads
from stopline_hil.modbus_plc import PlcCabinet
from stopline_signals.plan import SignalPlan


class Bench:
    """One virtual cabinet, settled on its local plan, whose time the test moves."""

    def __init__(self, plan: SignalPlan) -> None:
        self.plan = plan
        self.clock = SteppedClock(1000)
        self.cabinet = PlcCabinet(plan, self.clock)
        self._clients: list[ModbusCabinet] = []

    def run(self, tenths: int) -> None:
        """Let time pass, a tick each tenth."""
        for _ in range(tenths):
            self.clock.advance(1)
            self.cabinet.tick(self.clock.tenths())

    def client(
        self, owner: int = 7, label: str = "bench", *, port: int = 0, timeout: float = 0.3
    ) -> ModbusCabinet:
        """A driver, not yet connected, for the cabinet or for a wire before it."""
        client = ModbusCabinet(
            "127.0.0.1", port or self.cabinet.port, self.plan, owner=owner, label=label, timeout=timeout
        )
        self._clients.append(client)
        return client

    async def close(self) -> None:
        """Close what was opened; a monitor that saw something fails the test that made it see it."""
        for client in self._clients:
            await client.close()
        await self.cabinet.stop()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A bench whose conflict monitor must be content at the end."""
    made = Bench(crossroads())
    await made.cabinet.start()
    made.run(200)
    yield made
    await made.close()
    assert made.cabinet.violations == []


@pytest.fixture
def tool() -> Callable[[str], str]:
    """Path of a foreign program; outside CI a test is skipped when it is not installed."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None and os.environ.get("CI"):
            pytest.fail(f"{name} is part of the proof and CI must have it: apt-get install {name}")
        if path is None:
            pytest.skip(f"{name} is not installed (apt-get install {name})")
        return path

    return find


@pytest.fixture(scope="session")
def measures(root: Path) -> Path:
    """Python of the environment with signal-replay and atspm; outside CI a test is skipped without it."""
    path = root / ".venv-foreign" / "measures" / "bin" / "python"
    if not path.exists() and os.environ.get("CI"):
        pytest.fail("CI must have the foreign environments: scripts/foreign-environments measures")
    if not path.exists():
        pytest.skip("there is no .venv-foreign/measures (scripts/foreign-environments measures)")
    return path
