"""Collections as the controller keeps them: what is garbage goes, and nobody waits for all that lives."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stopline_controller import garbage
from stopline_controller import loop as control_loop
from stopline_controller.assembly import assemble
from stopline_controller.garbage import EVERY, GROWN, MANY, WARM, GarbageKeeper
from stopline_controller.loop import MOST, SLOTS, slots_for
from stopline_controller.serve import _serve
from stopline_controller.site import read_site
from stopline_controller.statistics import Latency
from tests.controller.sites import write_site
from tests.controller.test_supervision import until


class Knot:
    """An object that only a collection removes."""

    def __init__(self) -> None:
        self.own = self


class Room:
    """A keeper of so many junctions, at work, in a process whose memory a test sets."""

    def __init__(self, junctions: int) -> None:
        self.pauses, self.memory = Latency(), 0
        self.keeper = GarbageKeeper(self.pauses, junctions, lambda: self.memory)
        self.keeper.settle()

    def warm(self) -> None:
        self.steps(WARM)

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.keeper.step()


@pytest.fixture(autouse=True)
def own_way() -> Iterator[None]:
    """Whatever a test does, the interpreter collects by itself again after it."""
    yield
    gc.enable()
    gc.unfreeze()


def test_where_junctions_are_few_all_garbage_goes_every_ten_seconds() -> None:
    room = Room(1)
    old = Knot()
    room.keeper.step()
    left = weakref.ref(old)
    del old
    assert not gc.isenabled() and left() is not None
    room.keeper.pulse()
    assert left() is not None, "control need not look"
    room.steps(EVERY - 2)
    assert left() is not None
    room.keeper.step()
    assert left() is None and room.pauses.count == 1


def test_what_takes_long_to_look_through_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(1)
    kept = [Knot() for _ in range(100)]
    monkeypatch.setattr(garbage, "LONG_MS", 0.0)
    room.steps(EVERY)
    assert not any(isinstance(thing, Knot) for thing in gc.get_objects())
    assert len(kept) == 100


def test_where_they_are_many_control_removes_what_is_young() -> None:
    room = Room(MANY)
    lefts: list[weakref.ref[Knot]] = []
    for _ in range(4):
        lefts.append(weakref.ref(Knot()))
        room.keeper.pulse()
    assert [left() for left in lefts] == [None] * 4


def test_a_call_that_is_under_way_at_one_look_is_looked_at_again() -> None:
    room = Room(MANY)
    call = Knot()
    room.keeper.pulse()
    left = weakref.ref(call)
    del call
    room.keeper.pulse()
    assert left() is None


def test_what_has_lived_longer_goes_when_memory_has_grown_and_is_passed_over_until_then() -> None:
    room = Room(MANY)
    room.memory = 3 * GROWN
    stream = Knot()
    room.warm()
    for _ in range(3):
        room.keeper.pulse()
    left = weakref.ref(stream)
    del stream
    room.memory += GROWN
    for _ in range(3):
        room.keeper.pulse()
        room.keeper.step()
    assert left() is not None
    room.memory += 1
    with capture_logs() as logs:
        room.keeper.step()
        assert left() is None
        room.keeper.step()
    assert [entry["event"] for entry in logs] == ["memory_grew"], "once, until it grows on"


def test_a_look_at_the_young_passes_over_all_that_lives() -> None:
    """By its time: thousands of times as much alive takes next to nothing more."""
    alive = [Knot() for _ in range(200_000)]
    room = Room(MANY)
    more = [Knot() for _ in range(200_000)]
    for _ in range(2):
        room.keeper.pulse()
    began = time.thread_time()
    for _ in range(10):
        room.keeper.pulse()
    young = (time.thread_time() - began) / 10
    began = time.thread_time()
    gc.collect()
    assert young < (time.thread_time() - began) / 20
    assert len(alive) == len(more)


async def test_control_is_tidied_after_each_third_of_a_tick(tmp_path: Path) -> None:
    controller = assemble(read_site(write_site(tmp_path, {"J0": 'driver = "memory"'})))
    loop, latest = controller.loop, controller.hub.latest
    junction = loop.junctions[0]
    done: list[tuple[bool, int]] = []

    def tidy() -> None:
        done.append((junction.step is not None, latest["J0"].sequence if "J0" in latest else 0))

    loop.tidy = tidy
    control = asyncio.create_task(loop.run())
    try:
        await until(lambda: len(done) >= 30)
    finally:
        loop.stop()
        await control
        controller.close()
    told = done[24][1]
    assert done[24:30] == [
        (ruled, told + tick + (part == 2))
        for tick in (0, 1)
        for part, ruled in enumerate((False, True, True))
    ], "after looking, after ruling and after publishing"


async def test_while_many_are_heard_control_is_tidied_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_loop, "TIDIED", 2)
    cabinets = {f"J{number}": 'driver = "memory"' for number in range(3 * SLOTS)}
    controller = assemble(read_site(write_site(tmp_path, cabinets)))
    loop = controller.loop
    done, parts = [0], list[int]()

    def tidy() -> None:
        done[0] += 1

    def pulse(_: int) -> None:
        parts.append(done[0])
        done[0] = 0

    loop.tidy, loop.pulse = tidy, pulse
    control = asyncio.create_task(loop.run())
    try:
        await until(lambda: len(parts) >= 2 * SLOTS)
    finally:
        loop.stop()
        await control
        controller.close()
    assert set(parts[SLOTS:]) == {4}, "before the last of three, and three times in a tick"


async def test_serving_looks_through_the_young_by_the_pulse_of_control_which_leaves_nothing_there(
    tmp_path: Path,
) -> None:
    cabinets = {f"J{number}": 'driver = "memory"' for number in range(MANY)}
    controller = assemble(read_site(write_site(tmp_path, cabinets)))
    generations, found = Counter[int](), list[int]()

    def note(phase: str, about: dict[str, int]) -> None:
        if phase == "stop":
            generations[about["generation"]] += 1
            found.append(about["collected"])

    gc.callbacks.append(note)
    serving = asyncio.create_task(_serve(controller))
    try:
        await until(lambda: controller.statistics.pause.count > 4 * SLOTS)
        generations.clear()
        found.clear()
        await until(lambda: generations.total() > 10 * SLOTS)
        assert not gc.isenabled() and set(generations) == {0, 1}
        assert not any(found)
    finally:
        gc.callbacks.remove(note)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        controller.close()
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("junctions", "slots"),
    [(1, 1), (9, 9), (250, SLOTS), (1300, SLOTS), (1301, SLOTS + 1), (10_000, 77)],
)
def test_a_slot_never_has_more_than_can_be_looked_through_in_three_parts(junctions: int, slots: int) -> None:
    assert slots_for(junctions) == slots and junctions <= slots * MOST
