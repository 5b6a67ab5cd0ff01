"""What `stopline hil cabinet` runs: one cabinet in real time, or a scenario's with SUMO as their street."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stopline_hil.clock import RunningClock
from stopline_hil.fitting import VirtualCabinet, cabinet_for, post_for
from stopline_hil.ntcip import NtcipCabinet
from stopline_hil.ntcip.hires import COLUMNS
from stopline_hil.site_files import write_site
from stopline_hil.street import Street, StreetReport
from stopline_signals.plan import SignalPlan

Announce = Callable[[list[dict[str, object]]], None]


async def run_cabinet(
    plan: SignalPlan,
    *,
    host: str,
    port: int,
    protocol: str = "modbus",
    rate: float = 1.0,
    seconds: float | None = None,
    out: Path | None = None,
    announce: Announce | None = None,
) -> dict[str, Any]:
    """One virtual cabinet until Ctrl-C, SIGTERM or its wall-clock time is over; what it counted.

    Its clock runs `rate` times as fast as the wall's.
    """
    cabinet = cabinet_for(protocol, plan, RunningClock(rate=rate), host=host, port=port)
    await cabinet.start()
    try:
        _publish([cabinet], out, rate, announce)
        ticking = asyncio.create_task(cabinet.run(0.02 / rate))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _told_to_stop()
        ticking.cancel()
    finally:
        await cabinet.stop()
    if out is not None:
        write_events(out, [cabinet])
    return {
        "junction": plan.junction,
        "plans_accepted": cabinet.plans_accepted,
        "violations": cabinet.monitor.total,
        "first_violations": [str(violation) for violation in cabinet.violations[:20]],
    }


async def run_street(
    street: Street,
    *,
    wait: float = 0.0,
    linger: float = 0.0,
    out: Path | None = None,
    announce: Announce | None = None,
) -> StreetReport:
    """A scenario's cabinets and its street.

    `wait` holds time until a controller has read every cabinet, `linger` keeps the ports open after the end
    until every lease was given back; both at most so many wall-clock seconds.

    With `out`, `site.toml` is there once all ports are open (`cabinets.json` is written last), and
    `street.json` holds the report at the end, and `events.csv` the high-resolution events of NTCIP cabinets.
    """
    async with street:
        _publish(list(street.cabinets.values()), out, street.rate or 1.0, announce)
        if wait:
            await street.wait_for_controller(wait)
        report = await street.run()
        if out is not None:
            _write(out / "street.json", report_to_table(report))
            write_events(out, list(street.cabinets.values()))
        if linger:
            await street.wait_for_release(linger)
    return report


def report_to_table(report: StreetReport) -> dict[str, Any]:
    """A street's report as plain data."""
    return {**asdict(report), "violations": report.violations}


def write_events(folder: Path, cabinets: Sequence[VirtualCabinet]) -> None:
    """Write `events.csv` of all cabinets that keep a log; the device number is the position, from 1."""
    logs = [(number, c.unit.log) for number, c in enumerate(cabinets, start=1) if isinstance(c, NtcipCabinet)]
    if logs:
        with (folder / "events.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for number, log in logs:
                writer.writerows(log.rows(number))


def _publish(
    cabinets: Sequence[VirtualCabinet], out: Path | None, rate: float, announce: Announce | None
) -> None:
    rows: list[dict[str, object]] = [
        {
            "junction": cabinet.plan.junction,
            "protocol": cabinet.protocol,
            "address": f"{cabinet.host}:{cabinet.port}",
            "groups": len(cabinet.plan.groups),
            "stages": len(cabinet.plan.stages),
            "detectors": len(cabinet.plan.detectors),
            "plan": cabinet.plan.digest()[:8],
        }
        for cabinet in cabinets
    ]
    if out is not None:
        write_site(out, map(post_for, cabinets), clock_rate=rate)
        _write(out / "cabinets.json", rows)
    if announce is not None:
        announce(rows)


def _write(path: Path, value: object) -> None:
    """Write at once, so that whoever waits for the file never sees half of it."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
