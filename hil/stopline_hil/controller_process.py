"""A real controller in its own process: started on a site file, found by its address, told to stop."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from stopline_signals.errors import StoplineError

START_S = 60.0
STOP_S = 20.0
_RUN = "from stopline_cli.main import app; app()"


class ControllerDied(StoplineError):
    """The controller process ended or did not start; names its log."""


class ControllerProcess:
    """`stopline serve SITE` as a child; its output goes to `log`."""

    def __init__(self, site: Path, log: Path) -> None:
        """Nothing runs before `start`."""
        self._site = site
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Process id; 0 before the start."""
        return 0 if self._process is None else self._process.pid

    async def start(self) -> str:
        """Start it and return the host:port it serves on; ControllerDied when it does not come up."""
        announced = self._site.parent / "state" / "serving.json"
        announced.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _RUN, "serve", str(self._site), stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.returncode is None:
            if announced.is_file() and (text := announced.read_text(encoding="utf-8")).endswith("\n"):
                return str(json.loads(text)["address"])
            await asyncio.sleep(0.05)
        raise ControllerDied(f"the controller did not start; its log is {self._log}")

    async def stop(self) -> dict[str, Any]:
        """Ask it to hand back and end; returns the statistics it leaves behind."""
        process = self._running()
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                code = await process.wait()
        except TimeoutError:
            process.kill()
            raise ControllerDied(f"the controller did not stop in {STOP_S:.0f} s; log: {self._log}") from None
        if code != 0:
            raise ControllerDied(f"the controller ended with exit code {code}; its log is {self._log}")
        found: dict[str, Any] = json.loads((self._site.parent / "state" / "statistics.json").read_text())
        return found

    def pause(self) -> None:
        """SIGSTOP: it hangs, with every connection open."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on where it was."""
        self._running().send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """End it at once if it still runs (SIGKILL): nothing is handed back."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            raise ControllerDied(f"the controller ended early; its log is {self._log}")
        return self._process
