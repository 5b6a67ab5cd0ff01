"""Many junctions in one controller process, cabinets in memory behind the seam: what serving costs."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from benchmarks._service import cpu, served, write_service
from stopline_cabinets.words import CabinetState, Flag, Mode, PlanCommand, Receipt, digest32, following
from stopline_controller.assembly import Controller, assemble
from stopline_controller.clock import Clock
from stopline_controller.drivers import Driver, Lessee, MemoryOptions, register
from stopline_controller.garbage import GarbageKeeper
from stopline_controller.precise import control_event_loop, schedule_real_time
from stopline_controller.site import read_site
from stopline_hil.example import crossroads
from stopline_signals.detectors import DetectorReading, calls_from
from stopline_signals.engine import KEEP, Engine
from stopline_signals.plan import SignalPlan
from stopline_signals.records import new
from stopline_signals.table import plan_to_table

CHANGE = 10
"""Tenths between two changes of a junction's readings: every second a vehicle comes or goes."""
LIMIT = 30
"""Heartbeat limit of the cabinets, tenths."""


class LightCabinet:
    """A cabinet that runs the timing engine, has traffic at its detectors and costs little itself.

    It keeps the deadlines of plans and heartbeats, so that a loop that is too slow loses it.
    """

    def __init__(self, plan: SignalPlan, clock: Clock, number: int) -> None:
        self.plan = plan
        self.lost = 0
        """How often a plan or the lease ran out."""
        self._clock = clock
        self._engine = Engine(plan)
        self._state = self._engine.start(clock.tenths())
        self._number = number
        self._readings = tuple(DetectorReading() for _ in plan.detectors)
        self._calls = calls_from(plan, self._readings)
        self._changed = 0
        blank = CabinetState(0, _LOCAL, heartbeat_limit=LIMIT, plan_digest=digest32(plan.digest()))
        self._before_ttl, self._after_ttl = blank[_SEQ + 1 : _TTL], blank[_TTL + 1 :]
        self._request, self._seq, self._ends, self._beaten = KEEP, 0, 0, 0

    @property
    def name(self) -> str:
        """How messages name it."""
        return f"light cabinet {self.plan.junction}"

    @property
    def next_seq(self) -> int:
        """The sequence number of the next plan."""
        return following(self._seq)

    async def connect(self, *, lease: bool = True) -> CabinetState:
        """Answer."""
        self._beaten = self._clock.tenths()
        return self.at_hand()

    async def read(self) -> CabinetState:
        """The state now."""
        return self.at_hand()

    async def write(self, command: PlanCommand) -> Receipt:
        """Take the stage of the plan's first row."""
        now = self._clock.tenths()
        self._request, self._seq, self._ends = command.rows[0].stage, command.seq, now + command.ttl
        return Receipt(command.seq, 0, now)

    async def heartbeat(self) -> None:
        """Note the heartbeat."""
        self._beaten = self._clock.tenths()

    async def release(self) -> None:
        """Keep the stage."""
        self._request, self._ends = KEEP, 0

    async def close(self) -> None:
        """Nothing to drop."""

    def at_hand(self) -> CabinetState:
        """The state now."""
        now = self._clock.tenths()
        moment = now + self._number
        if moment // CHANGE != self._changed:
            self._traffic(moment // CHANGE)
        if self._ends and (now >= self._ends or now - self._beaten > LIMIT):
            self.lost += 1
            self._request, self._ends = KEEP, 0
        state = self._state = self._engine.advance(self._state, self._request, self._calls, now).state
        moving = state.now < state.settled_at
        shown = (
            now,
            _REMOTE if self._ends else _LOCAL,
            _MOVING if moving else _RESTING,
            0,
            state.stage,
            state.stage,
            state.settled_at - now if moving else 0,
            0 if moving else now - state.settled_at,
            state.aspects,
            self._readings,
            self._calls,
            0,
            self._seq,
        )
        # Not by name: a fleet's cabinets are not to cost what a controller's control does.
        return new(CabinetState, (*shown, *self._before_ttl, max(self._ends - now, 0), *self._after_ttl))

    def _traffic(self, change: int) -> None:
        """One detector more or less occupied; no randomness, so that every run has the same load."""
        self._changed = change
        index = (change * 7 + self._number) % len(self._readings)
        vehicles = (change * 5 + index * 3) % 6
        readings = list(self._readings)
        readings[index] = DetectorReading(vehicles, vehicles // 2)
        self._readings = tuple(readings)
        self._calls = calls_from(self.plan, self._readings)


_SEQ, _TTL = CabinetState._fields.index("active_seq"), CabinetState._fields.index("ttl_remaining")
_REMOTE, _LOCAL = Mode.REMOTE, Mode.LOCAL
_RESTING = Flag.MONITOR_OK | Flag.POWER_OK | Flag.REMOTE_ACTIVE
_MOVING = _RESTING | Flag.IN_TRANSITION


def write_city(
    folder: Path,
    junctions: int,
    driver: str,
    interval: float,
    ports: Sequence[int] = (),
    service: Mapping[str, Any] | None = None,
) -> Path:
    """Write plans, a bundle that decides every `interval` seconds and a site file of so many crossroads.

    With `ports` the cabinets have addresses on this host. `service` has the tables of a site that is to be
    served; without them just its control can be run.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from stopline_policy.bundle import SHIPPED, read_bundle, write_bundle
    from stopline_policy.manifest import MODEL_FILE
    from stopline_policy.signing import public_pem

    key = Ed25519PrivateKey.generate()
    shipped = read_bundle(SHIPPED)
    manifest = replace(shipped.manifest, decision_interval=interval)
    write_bundle(folder / "city.bundle", manifest, {MODEL_FILE: shipped.model}, key)
    (folder / "key.pub.pem").write_bytes(public_pem(key.public_key()))
    rows: list[dict[str, Any]] = []
    for number in range(junctions):
        name = f"J{number}"
        plan = replace(crossroads(), junction=name)
        (folder / f"{name}.toml").write_text(tomli_w.dumps(plan_to_table(plan)))
        cabinet = {"driver": driver}
        if ports:
            cabinet["address"] = f"127.0.0.1:{ports[number]}"
        rows.append({"id": name, "plan": f"{name}.toml", "cabinet": cabinet})
    site = folder / "site.toml"
    table = {
        **(service or {"controller": {"listen": "127.0.0.1:0", "insecure": True}}),
        "policy": {"bundle": "city.bundle", "trusted_keys": ["key.pub.pem"]},
        "junction": rows,
    }
    site.write_text(tomli_w.dumps(table))
    return site


def light_cabinets() -> list[LightCabinet]:
    """Register the driver "light"; the list returned gets its cabinets as they are built."""
    cabinets: list[LightCabinet] = []

    def build(plan: SignalPlan, options: MemoryOptions, lessee: Lessee, clock: Clock) -> LightCabinet:
        cabinets.append(LightCabinet(plan, clock, len(cabinets)))
        return cabinets[-1]

    def address(options: MemoryOptions) -> str:
        return ""

    register("light", Driver(MemoryOptions, address, build))
    return cabinets


def city(
    junctions: int, interval: float, service: Callable[[Path], Mapping[str, Any]] | None = None
) -> tuple[Controller, list[LightCabinet]]:
    """A controller of so many junctions with light cabinets; `service` writes what serving takes."""
    cabinets = light_cabinets()
    folder = Path(tempfile.mkdtemp(prefix="stopline-city-"))
    tables = service(folder) if service else None
    return assemble(read_site(write_city(folder, junctions, "light", interval, service=tables))), cabinets


def run(controller: Controller, warm_s: float, seconds: float, *, real_time: bool = True) -> dict[str, float]:
    """Run control in its own thread as `stopline serve` does; figures of `seconds` after the warm-up."""
    found: dict[str, float] = {}
    loop, statistics = controller.loop, controller.statistics

    async def main() -> None:
        task = asyncio.create_task(loop.run())
        await asyncio.sleep(warm_s)
        ticks, decisions, late = statistics.ticks, statistics.decisions_audited, statistics.late_ticks
        statistics.lateness.samples.clear()
        statistics.slot.samples.clear()
        began, process, thread = time.monotonic(), cpu(), time.thread_time()
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        made = statistics.ticks - ticks
        found.update(
            seconds=took,
            ticks_per_s=made / took,
            decisions_per_s=(statistics.decisions_audited - decisions) / took,
            late_ticks=statistics.late_ticks - late,
            cpu_share=(cpu() - process) / took,
            control_us_per_tick=(time.thread_time() - thread) / made * 1e6,
            lateness_ms_p50=statistics.lateness.percentile(0.5),
            lateness_ms_p99=statistics.lateness.percentile(0.99),
            lateness_ms_p999=statistics.lateness.percentile(0.999),
            done_ms_p99=statistics.slot.percentile(0.99),
        )
        loop.stop()
        await task

    def work() -> None:
        if real_time:
            schedule_real_time()
        with asyncio.Runner(loop_factory=control_event_loop) as runner:
            runner.run(main())

    keeper = GarbageKeeper(statistics.pause, len(controller.controls))
    loop.tidy = keeper.pulse
    keeper.settle()
    sys.setswitchinterval(1e-4)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    keeper.resume()
    controller.close()
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one city and print its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--junctions", type=int, default=1300)
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between decisions")
    parser.add_argument("--warm", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--core", type=int, default=-1, help="the one core to run on")
    parser.add_argument("--watcher", type=int, default=-1, help="the core of the one who watches")
    options = parser.parse_args(arguments)
    if options.core >= 0:
        os.sched_setaffinity(0, {options.core})
    from stopline_controller.logs import configure_logs

    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        configure_logs(nowhere)
        controller, cabinets = city(options.junctions, options.interval, write_service)
        found = served(controller, options.warm, options.seconds, core=options.watcher)
    found["lost"] = sum(cabinet.lost for cabinet in cabinets)
    found["rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


if __name__ == "__main__":
    main()
