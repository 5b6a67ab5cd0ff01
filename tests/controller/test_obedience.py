"""Invariant (o): a cabinet that does not do what it accepted is left to its local plan, with an alarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stopline_cabinets.errors import CabinetDisobeys
from stopline_cabinets.fake import FakeStreet
from stopline_cabinets.words import CabinetState, Flag, Kind, Mode
from stopline_controller.obedience import LOOKS, PATIENCE, Obedience
from stopline_controller.sources import Order
from stopline_hil.example import crossroads
from stopline_signals import Engine, EngineState
from tests.controller.test_control_loop import Plant

PLAN = replace(crossroads(), junction="A")
ENGINE = Engine(PLAN)
REST = ENGINE.advance(ENGINE.start(0, 0), 0, 0, 900).state
SEEN = CabinetState(time=900, mode=Mode.REMOTE, stage=0, aspects=REST.aspects, legal=0b111)


def found_after(
    watch: Obedience, seen: CabinetState = SEEN, state: EngineState = REST, tenths: int = 200
) -> int | None:
    """Tenths until it is found that the cabinet goes on showing the same."""
    for after in range(tenths):
        try:
            watch.judge(seen._replace(time=900 + after), state._replace(now=900 + after))
        except CabinetDisobeys:
            return after
    return None


def asked(order: Order, rate: float = 1.0) -> Obedience:
    watch = Obedience(ENGINE, rate)
    watch.accepted(order)
    return watch


def test_a_stage_that_was_accepted_and_is_not_entered_is_found() -> None:
    assert found_after(asked(Order(2))) == PATIENCE + 1


def test_a_wire_that_is_slow_beside_a_fast_clock_is_no_disobedience() -> None:
    assert found_after(asked(Order(2), rate=4.0)) == 4 * PATIENCE + 1


def test_asking_for_something_else_every_moment_hides_nothing() -> None:
    watch = Obedience(ENGINE)
    with pytest.raises(CabinetDisobeys, match="does not enter"):
        for after in range(PATIENCE + 2):
            watch.accepted(Order(1 + after % 2))
            watch.judge(SEEN._replace(time=900 + after), REST._replace(now=900 + after))


@pytest.mark.parametrize("group", range(len(PLAN.groups)))
def test_lamps_of_no_stage_are_found(group: int) -> None:
    lamps = list(REST.aspects)
    if PLAN.groups[group].on_demand and lamps[group] == 0 and PLAN.stages[0].aspect(group) > 0:
        pytest.skip("a walk on demand may be red in its own stage")
    lamps[group] = 0 if lamps[group] else 3
    wrong = REST._replace(aspects=tuple(lamps))
    assert found_after(asked(Order(0)), SEEN._replace(aspects=wrong.aspects), wrong) == PATIENCE + 1


@pytest.mark.parametrize(
    "seen",
    [
        SEEN._replace(mode=Mode.LOCAL),
        SEEN._replace(mode=Mode.MANUAL),
        SEEN._replace(mode=Mode.PREEMPT),
        SEEN._replace(flags=Flag.PREEMPT),
        SEEN._replace(flags=Flag.STOP_TIME),
        SEEN._replace(legal=0b001),
    ],
    ids=["local plan", "panel", "preempt", "preempt asked for", "stop time", "cannot yet"],
)
def test_who_must_do_something_else_disobeys_nobody(seen: CabinetState) -> None:
    assert found_after(asked(Order(2)), seen) is None


@pytest.mark.parametrize("order", [Order(2, Kind.ALL_RED), Order(2, Kind.PREEMPT, 1), Order(2, omits=1)])
def test_only_stages_are_held_against_the_lamps(order: Order) -> None:
    assert found_after(asked(order)) is None


def test_nothing_is_held_against_a_cabinet_that_was_released() -> None:
    watch = asked(Order(2))
    assert found_after(watch, tenths=PATIENCE) is None
    watch.forget()
    assert found_after(watch) is None


def test_a_standstill_of_ours_is_no_disobedience() -> None:
    watch = asked(Order(2))
    for time in (900, 900 + 5 * PATIENCE):
        watch.judge(SEEN._replace(time=time), REST._replace(now=time))


def test_lamps_damaged_now_and_then_are_no_disobedience() -> None:
    watch, dark = asked(Order(0)), (0,) * len(REST.aspects)
    for after in range(300):
        shown = REST.aspects if after % LOOKS == 0 else dark
        watch.judge(SEEN._replace(time=900 + after), REST._replace(now=900 + after, aspects=shown))


def test_the_panel_in_between_gives_new_time() -> None:
    watch = asked(Order(2))
    assert found_after(watch, tenths=PATIENCE) is None
    watch.judge(SEEN._replace(mode=Mode.MANUAL), REST)
    assert found_after(watch) == PATIENCE + 1


def stuck(street: FakeStreet) -> None:
    """It takes every plan and keeps its stage."""
    core = street.core
    core._request = lambda now: core._engine_state.stage  # type: ignore[method-assign]  # a broken cabinet


def all_red(street: FakeStreet) -> None:
    """Its lamps are red whatever it says."""
    honest = street.core.state
    street.core.state = lambda now: (  # type: ignore[method-assign]  # a broken cabinet
        (seen := honest(now))._replace(aspects=(0,) * len(seen.aspects))
    )


@pytest.mark.parametrize(
    ("defect", "said"),
    [(stuck, "does not enter the stage"), (all_red, "not those of the stage in force")],
)
async def test_a_cabinet_that_does_not_follow_is_left_alone_and_tried_again(
    tmp_path: Path, defect: Callable[[FakeStreet], None], said: str
) -> None:
    async with Plant(tmp_path, "A", "B") as plant:
        street = plant.cabinets["A"].street
        intact = dict(vars(street.core))
        defect(street)
        await plant.until(lambda: plant.mode("A") is Mode.LOCAL, 300)
        await plant.until(lambda: any(said in alarm for alarm in plant.latest("A").alarms))
        assert plant.mode("B") is Mode.REMOTE
        for name in set(vars(street.core)) - set(intact):
            delattr(street.core, name)
        await plant.until(lambda: plant.mode("A") is Mode.REMOTE and plant.latest("A").alarms == (), 300)


async def test_a_cabinet_that_never_follows_is_tried_ever_more_seldom(tmp_path: Path) -> None:
    async with Plant(tmp_path, "A", "B") as plant:
        with capture_logs() as logs:
            stuck(plant.cabinets["A"].street)
            began = plant.clock.seconds()
            await plant.until(lambda: plant.clock.seconds() - began > 400, 500)
        tried = [entry["event"] for entry in logs].count("cabinet_does_not_follow")
        assert 6 <= tried <= 9, "after 2 s at first, then after twice as long each time"
        assert plant.mode("B") is Mode.REMOTE
