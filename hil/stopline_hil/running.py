"""What `stopline hil cabinet` runs: one cabinet in real time, or a scenario's with SUMO as their street."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stopline_hil.clock import RunningClock
from stopline_hil.modbus_plc import PlcCabinet
from stopline_hil.site_files import Post, write_site
from stopline_hil.street import Street, StreetReport
from stopline_signals.plan import SignalPlan

Announce = Callable[[list[dict[str, object]]], None]


async def run_cabinet(
    plan: SignalPlan,
    *,
    host: str,
    port: int,
    seconds: float | None = None,
    out: Path | None = None,
    announce: Announce | None = None,
) -> dict[str, Any]:
    """One virtual cabinet on the wall clock until Ctrl-C, SIGTERM or its time is over; what it counted."""
    async with PlcCabinet(plan, RunningClock(), host=host, port=port) as cabinet:
        _publish([cabinet], out, 1.0, announce)
        ticking = asyncio.create_task(cabinet.run())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _told_to_stop()
        ticking.cancel()
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
    `street.json` holds the report at the end.
    """
    async with street:
        _publish(list(street.cabinets.values()), out, street.rate or 1.0, announce)
        if wait:
            await street.wait_for_controller(wait)
        report = await street.run()
        if out is not None:
            _write(out / "street.json", report_to_table(report))
        if linger:
            await street.wait_for_release(linger)
    return report


def report_to_table(report: StreetReport) -> dict[str, Any]:
    """A street's report as plain data."""
    return {**asdict(report), "violations": report.violations}


def _publish(cabinets: list[PlcCabinet], out: Path | None, rate: float, announce: Announce | None) -> None:
    rows: list[dict[str, object]] = [
        {
            "junction": cabinet.plan.junction,
            "address": f"{cabinet.host}:{cabinet.port}",
            "groups": len(cabinet.plan.groups),
            "stages": len(cabinet.plan.stages),
            "detectors": len(cabinet.plan.detectors),
            "plan": cabinet.plan.digest()[:8],
        }
        for cabinet in cabinets
    ]
    if out is not None:
        posts = [Post(cabinet.plan, cabinet.host, cabinet.port) for cabinet in cabinets]
        write_site(out, posts, clock_rate=rate)
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
