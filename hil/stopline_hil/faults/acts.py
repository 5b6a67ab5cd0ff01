"""What happens at the cabinet, in its street and to the controller, while a fault lasts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from stopline_hil.faults.intruder import intruder
from stopline_hil.faults.target import Target

Options = Mapping[str, float]


@asynccontextmanager
async def nothing(target: Target, options: Options) -> AsyncGenerator[None]:
    """Nothing fails."""
    yield


@asynccontextmanager
async def refuses_connections(target: Target, options: Options) -> AsyncGenerator[None]:
    """Nobody listens at the cabinet's port."""
    await target.wire.refuse(True)
    try:
        yield
    finally:
        await target.wire.refuse(False)


@asynccontextmanager
async def connection_cut(target: Target, options: Options) -> AsyncGenerator[None]:
    """Every connection breaks once."""
    target.wire.cut()
    yield


@asynccontextmanager
async def second_writer(target: Target, options: Options) -> AsyncGenerator[None]:
    """Another system writes to the cabinet."""
    async with intruder(target):
        yield


@asynccontextmanager
async def detectors_stuck(target: Target, options: Options) -> AsyncGenerator[None]:
    """Every detector is occupied for ever."""
    target.sensors.stuck = True
    try:
        yield
    finally:
        target.sensors.stuck = False


@asynccontextmanager
async def detectors_flood(target: Target, options: Options) -> AsyncGenerator[None]:
    """Every detector flickers."""
    target.sensors.flooding = True
    try:
        yield
    finally:
        target.sensors.flooding = False


@asynccontextmanager
async def detectors_fail(target: Target, options: Options) -> AsyncGenerator[None]:
    """A share of the detectors says that it is broken."""
    count = len(target.handle.cabinet.plan.detectors)
    target.sensors.failed = frozenset(range(round(count * options["share"])))
    try:
        yield
    finally:
        target.sensors.failed = frozenset()


@asynccontextmanager
async def clock_jumps(target: Target, options: Options) -> AsyncGenerator[None]:
    """The cabinet's wall clock is set, and put right again."""
    target.handle.set_clock(options["ahead_s"])
    try:
        yield
    finally:
        target.handle.set_clock(0.0)


@asynccontextmanager
async def power_loss(target: Target, options: Options) -> AsyncGenerator[None]:
    """Mains are off as long as it lasts."""
    await target.handle.power(False)
    try:
        yield
    finally:
        await target.handle.power(True)


@asynccontextmanager
async def reboot(target: Target, options: Options) -> AsyncGenerator[None]:
    """Mains are off for a moment."""
    await target.handle.power(False)
    await target.pause(options["off_s"])
    await target.handle.power(True)
    yield


@asynccontextmanager
async def database_edited(target: Target, options: Options) -> AsyncGenerator[None]:
    """The database is changed by hand, and put back."""
    await target.handle.edit(True)
    try:
        yield
    finally:
        await target.handle.edit(False)


@asynccontextmanager
async def manual_panel(target: Target, options: Options) -> AsyncGenerator[None]:
    """Somebody asks for a stage at the panel."""
    target.handle.set_manual(int(options["stage"]))
    try:
        yield
    finally:
        target.handle.set_manual(None)


@asynccontextmanager
async def flash_switch(target: Target, options: Options) -> AsyncGenerator[None]:
    """The flash switch is on."""
    target.handle.set_flash(True)
    try:
        yield
    finally:
        target.handle.set_flash(False)


@asynccontextmanager
async def monitor_trips(target: Target, options: Options) -> AsyncGenerator[None]:
    """The conflict monitor trips, and is reset at the end."""
    target.handle.trip()
    try:
        yield
    finally:
        target.handle.reset_monitor()


@asynccontextmanager
async def wired_preempt(target: Target, options: Options) -> AsyncGenerator[None]:
    """A wired preempt input is on."""
    number = int(options["number"])
    target.handle.set_preempt(number, True)
    try:
        yield
    finally:
        target.handle.set_preempt(number, False)


@asynccontextmanager
async def controller_killed(target: Target, options: Options) -> AsyncGenerator[None]:
    """SIGKILL at once; started again at the end."""
    await target.controller.kill()
    try:
        yield
    finally:
        await target.controller.start()


@asynccontextmanager
async def controller_hangs(target: Target, options: Options) -> AsyncGenerator[None]:
    """SIGSTOP at once, SIGCONT at the end."""
    target.controller.pause()
    try:
        yield
    finally:
        target.controller.resume()


@asynccontextmanager
async def controller_stutters(target: Target, options: Options) -> AsyncGenerator[None]:
    """SIGSTOP, and SIGCONT a moment later."""
    target.controller.pause()
    await target.pause(options["hangs_s"])
    target.controller.resume()
    yield


@asynccontextmanager
async def controller_restarted(target: Target, options: Options) -> AsyncGenerator[None]:
    """Told to stop at once; started again at the end."""
    await target.controller.stop()
    try:
        yield
    finally:
        await target.controller.start()
