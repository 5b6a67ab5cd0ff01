"""When junctions are ticked, to the millisecond: on a clock that only the loop itself moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stopline_controller import loop
from stopline_controller.clock import Clock
from stopline_controller.loop import ASIDE, MOST_ASIDE_S, PERIOD_S, SLOTS, ControlLoop
from stopline_controller.runtime import JunctionRuntime
from tests.controller.manual_clock import ManualClock
from tests.controller.test_control_loop import Plant


class SteppedClock(ManualClock):
    """Sleeping takes no time: the clock goes to the moment slept for, unless it is there already."""

    def __init__(self) -> None:
        super().__init__()
        self.aside: list[float] = []

    def stand_aside(self, seconds: float) -> None:
        self.aside.append(seconds)
        self.at += seconds

    async def sleep_until(self, moment: float) -> float:
        await asyncio.sleep(0)
        late = max(self.at - moment, 0.0)
        self.at = max(self.at, moment)
        return late


async def ticked(
    path: Path, names: list[str], enough: int, hold_up: Callable[[int], float]
) -> tuple[list[tuple[int, float]], Plant]:
    """Slot and moment of every tick, and the plant; `hold_up` is how long (s) each tick takes."""
    clock = SteppedClock()
    plant = Plant(path, *names, clock=clock)
    ticks: list[tuple[int, float]] = []

    def pulse(slot: int) -> None:
        ticks.append((slot, round(clock.at, 3)))
        clock.at += hold_up(len(ticks))
        if len(ticks) == enough:
            plant.loop.stop()

    plant.loop.pulse = pulse
    await plant.loop.run()
    plant.audit.close()
    return ticks[:enough], plant


async def test_junctions_are_ticked_every_100_ms_and_spread_over_them(tmp_path: Path) -> None:
    names = [f"J{number}" for number in range(2 * SLOTS)]
    ticks, plant = await ticked(tmp_path, names, 5 * SLOTS, lambda _: 0.0)
    assert [slot for slot, _ in ticks] == 5 * list(range(SLOTS))
    # In the first round the cabinets are connected to, all at once.
    assert [at for _, at in ticks[SLOTS:]] == pytest.approx(
        [PERIOD_S * (2 + number / SLOTS) for number in range(4 * SLOTS)]
    )
    assert plant.statistics.late_ticks == 0 and clock_of(plant).aside == []


async def test_late_ticks_are_counted_left_out_and_not_made_up_for(tmp_path: Path) -> None:
    ticks, plant = await ticked(tmp_path, ["A"], 6, lambda tick: 0.35 if tick == 3 else 0.0)
    assert [at for _, at in ticks] == pytest.approx([0.1, 0.2, 0.3, 0.65, 0.7, 0.8])
    # The one of 0.4 s came 0.25 s late, those of 0.5 and 0.6 s not at all.
    assert plant.statistics.late_ticks == 3
    assert plant.statistics.ticks == 6


async def test_control_that_cannot_keep_up_leaves_others_a_tenth_of_its_time_at_most_a_fifth_of_a_period(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its priority nothing else would run on that core, not even what ends the process."""
    monkeypatch.setattr(loop, "keep_warm", lambda *_: None)  # it waits for a clock that stands
    busy = 0.15
    plant = Plant(tmp_path, "A", clock=(clock := SteppedClock()))
    tick = plant.loop._tick

    async def long_tick(slot: Sequence[JunctionRuntime]) -> None:
        await tick(slot)
        clock.at += busy if len(clock.aside) < 5 else 1.0
        if len(clock.aside) == 8:
            plant.loop.stop()

    plant.loop._tick = long_tick  # type: ignore[method-assign]  # a junction that takes too long
    await plant.loop.run()
    plant.audit.close()
    assert clock.aside[:5] == pytest.approx([busy * ASIDE] * 5)
    assert clock.aside[6:8] == [MOST_ASIDE_S] * 2


@pytest.mark.parametrize("what", ["_warm_up", "_tick", "_count"])
async def test_whatever_fails_about_a_tick_the_slot_ticks_on_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A slot that ended would leave its junctions to their local plans until somebody starts anew."""
    real = getattr(ControlLoop, what)
    calls: list[float] = []

    def fails_thrice(self: ControlLoop, *arguments: object) -> object:
        calls.append(0.0)
        if 3 <= len(calls) < 6:
            raise OSError("no")
        return real(self, *arguments)

    monkeypatch.setattr(ControlLoop, what, fails_thrice)
    with capture_logs() as logs:
        ticks, _ = await ticked(tmp_path, ["A"], 6, lambda _: 0.0)
    assert [at for _, at in ticks] == pytest.approx([0.1, 0.2, 0.6, 0.7, 0.8, 0.9])
    told = [row["event"] for row in logs if row["event"].startswith("slot_")]
    assert told == ["slot_failed", "slot_works_again"], "once when it fails and once when it works again"


async def test_a_tick_that_takes_too_long_to_fail_is_counted_and_others_get_their_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = Plant(tmp_path, "A", clock=(clock := SteppedClock()))
    monkeypatch.setattr(loop, "keep_warm", lambda *_: None)  # it waits for a clock that stands

    async def fail(slot: Sequence[JunctionRuntime]) -> None:
        clock.at += 0.15
        if len(clock.aside) == 3 or clock.at > 10:
            plant.loop.stop()
            await asyncio.sleep(0)
        raise OSError("no")

    plant.loop._tick = fail  # type: ignore[method-assign]  # a mistake that takes its time
    await plant.loop.run()
    plant.audit.close()
    assert clock.aside[:3] == pytest.approx([0.15 * ASIDE] * 3)
    assert plant.statistics.ticks == len(clock.aside) and plant.statistics.late_ticks >= 3


def test_a_sleep_that_the_system_refuses_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(seconds: float) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(time, "sleep", refuse)
    Clock().stand_aside(0.01)


def clock_of(plant: Plant) -> SteppedClock:
    assert isinstance(plant.clock, SteppedClock)
    return plant.clock


def test_a_slow_first_run_is_followed_by_warm_ones() -> None:
    now, runs = [0.00015], list[float]()  # woken a little late, 1.65 ms before the decision

    def decide() -> None:
        runs.append(now[0])
        now[0] += 0.0006 if len(runs) == 1 else 0.00007

    def reads() -> float:
        now[0] += 1e-6
        return now[0]

    loop.keep_warm(decide, reads, loop.WARM_S)
    assert len(runs) > 10
    assert loop.WARM_S - 3 * loop.WARM_END_S < runs[-1] < loop.WARM_S - loop.WARM_END_S
    assert now[0] >= loop.WARM_S
