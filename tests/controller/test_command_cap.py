"""Invariant (n): no window holds more commands than a junction may get, whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stopline_controller.command_cap import SPARE, WINDOW, CommandCap
from stopline_controller.junction import Action
from stopline_controller.loop import TOO_MANY
from stopline_controller.sources import Proposal, Source
from tests.controller.test_control_loop import Plant
from tests.controller.test_junction_control import Kerb

INTERVAL = 50
MOST = 2 * WINDOW // INTERVAL + SPARE


def quarrel(tick: int) -> Proposal:
    """Speakers who take one another's place in every tick, each with a command of its own."""
    return Proposal(Source.CENTRE, 0, holder=f"operator {tick}")


def test_two_sources_that_quarrel_do_not_flood_the_cabinet() -> None:
    kerb = Kerb()
    kerb.run(100)
    began, held = kerb.street.now, 0
    for tick in range(600):
        action = kerb.tick(quarrel(tick), policy=Proposal(Source.POLICY, 0))
        held += kerb.control.held_back
        assert not (kerb.control.held_back and action is not Action.NOTHING)
        kerb.run(1)
    times = [now for now, *_ in kerb.asked if now >= began]
    most = max(sum(end - WINDOW < at <= end for at in times) for end in times)
    assert most == MOST
    assert held > 300, "the cap was never reached"
    assert kerb.monitor.violations == []


def test_who_is_held_back_may_ask_again_when_the_window_is_over() -> None:
    kerb = Kerb()
    kerb.run(100)
    with capture_logs() as logs:
        for tick in range(50):
            kerb.tick(quarrel(tick), policy=Proposal(Source.POLICY, 0))
            kerb.run(1)
        assert kerb.control.held_back
        kerb.run(WINDOW)
        assert kerb.tick(quarrel(50), policy=Proposal(Source.POLICY, 0)) is Action.ASK
        assert not kerb.control.held_back
    told = [entry["event"] for entry in logs if entry["event"].startswith("commands_")]
    assert told == ["commands_held_back", "commands_flow_again"]


def test_a_release_is_never_held_back() -> None:
    kerb = Kerb()
    kerb.run(100)
    for tick in range(50):
        kerb.tick(quarrel(tick), policy=Proposal(Source.POLICY, 0))
        kerb.run(1)
    assert kerb.control.held_back
    assert kerb.tick(Proposal(Source.LOCAL), policy=None) is Action.RELEASE


@pytest.mark.parametrize("interval", [1, 10, 20, 50])
def test_a_policy_that_decides_as_often_as_it_may_is_never_held_back(interval: int) -> None:
    cap = CommandCap("A", interval)
    for now in range(0, 3000, interval):
        assert cap.take(now)
        assert cap.take(now), "and once more when the guard moves on without it"


def test_the_pace_of_another_policy_moves_the_cap() -> None:
    cap = CommandCap("A", 50)
    assert [cap.take(0) for _ in range(MOST + 1)][-1] is False
    cap.pace(10)
    assert cap.take(1)


async def test_a_flood_of_proposals_is_counted_for_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def proposals(name: str, now: object, below: int | None) -> Sequence[Proposal]:
        nonlocal calls
        calls += 1
        return [quarrel(calls)]

    async with Plant(tmp_path, "A") as plant:
        monkeypatch.setattr(plant.loop._priority, "proposals", proposals)
        counted = plant.statistics.interventions
        await plant.until(lambda: counted[Source.CENTRE, TOO_MANY] > 20, 120)
        assert {source for source, reason in counted if reason == TOO_MANY} == {Source.CENTRE}
