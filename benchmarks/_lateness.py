"""How late ticks begin, with and without real-time scheduling, beside other work on the machine."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

from benchmarks._city import city, run
from stopline_controller.logs import configure_logs

JUNCTIONS = 10
"""One in each slot: a hundred ticks begin every second."""
HOG = "while True: pass"


def measure(seconds: float) -> dict[str, dict[str, float]]:
    """Percentiles of the lateness in milliseconds, per way of running."""
    found: dict[str, dict[str, float]] = {}
    with _hogs(os.cpu_count() or 1):
        found["real_time"] = _once(seconds, real_time=True)
    _favour()
    found["plain"] = _once(seconds, real_time=False)
    return found


def _favour() -> None:
    """As near to an idle machine as it can be made: before other sessions, where that is allowed."""
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("-20")
        os.nice(-20)


def _once(seconds: float, *, real_time: bool) -> dict[str, float]:
    controller, _ = city(JUNCTIONS, 5.0)
    return run(controller, 2, seconds, real_time=real_time)


@contextlib.contextmanager
def _hogs(count: int) -> Generator[None]:
    """Programs that compute without end, of ordinary priority."""
    hogs = [subprocess.Popen([sys.executable, "-c", HOG]) for _ in range(count)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args(arguments)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        configure_logs(nowhere)
        print(json.dumps(measure(options.seconds)))


if __name__ == "__main__":
    main()
