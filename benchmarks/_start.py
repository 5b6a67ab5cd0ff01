"""From nothing to a controller whose every junction was ticked: seconds, and the memory it takes after."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks._rpc import settle, write_site

SETTLED_S = 6.0
"""Seconds of control, decisions among them, before memory is read."""


def once(site: Path) -> dict[str, float]:
    """Start the controller of a site, wait until it is ready, let it work, read its memory."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        address = site.parent / "notify"
        address.unlink(missing_ok=True)
        manager.bind(str(address))
        manager.settimeout(30)
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "stopline_controller", str(site)],
            stderr=subprocess.DEVNULL,
            env={**os.environ, "NOTIFY_SOCKET": str(address)},
            preexec_fn=lambda: settle(1),  # noqa: PLW1509  # one thread
        )
        try:
            while b"READY=1" not in manager.recv(4096):
                pass
            found = {"ready_s": time.monotonic() - began, "ready_cpu_s": _cpu(process.pid)}
            time.sleep(SETTLED_S)
            return found | _memory(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _cpu(pid: int) -> float:
    """Seconds of processor time used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> dict[str, float]:
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    names = {"VmRSS": "rss_mib", "RssAnon": "rss_own_mib", "VmHWM": "rss_peak_mib"}
    return {name: int(rows[key].split()[0]) / 1024 for key, name in names.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure some starts and print their medians as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        site = write_site(Path(place), "start", None)
        rows = [once(site) for _ in range(options.repeats)]
    print(json.dumps({name: median(row[name] for row in rows) for name in rows[0]}))


if __name__ == "__main__":
    main()
