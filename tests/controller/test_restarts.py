"""A controller that dies at any moment and comes back asks for nothing wrong and keeps no old promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from stopline_cabinets.words import Mode
from stopline_controller.housekeeping import ClockWatch
from stopline_controller.leases import LeaseError
from stopline_controller.overrides import Status, Verb
from stopline_controller.sources import Source
from tests.controller.town import CLIENT_ID, SIDE, Town, cycle, rest


def restart(town: Town, seconds: float = 0.0, *, client: int = CLIENT_ID) -> None:
    """End as by kill -9; after some seconds another process is there, with the files and nothing else."""
    for _ in range(round(seconds * 10)):
        town.street.run(1)
    town.restart(client=client)


@pytest.mark.parametrize("away_s", [0.0, 0.4, 8.0])
def test_a_restart_at_any_moment_of_the_cycle_asks_for_nothing_wrong(tmp_path: Path, away_s: float) -> None:
    with Town(tmp_path, policy=cycle) as town:
        town.queue("main near", "side near", "walk across button")
        in_transition = 0
        for turn in range(24):
            # 1.3 s later in the cycle each time, so that every part of it is met.
            town.run(1 + 1.3 * (turn % 7))
            in_transition += town.seen.in_transition
            restart(town, away_s)
            town.until(lambda: town.source is Source.POLICY and town.seen.mode is Mode.REMOTE, 10)
        assert 3 <= in_transition <= 21, "some of them in the middle of a transition"
        assert town.audit.verify().intact


def test_an_override_ends_with_the_process_and_its_token_is_worth_nothing_afterwards(tmp_path: Path) -> None:
    with Town(tmp_path, policy=rest) as town:
        lease = town.lease("kim")
        town.ask(lease, Verb.GO_TO_STAGE, stage=SIDE)
        town.until(lambda: town.seen.in_transition, 60)
        restart(town)
        town.until(lambda: town.source is Source.POLICY, 10)
        assert town.leases.all() == []
        answer = town.ask(lease, Verb.HOLD)
        assert answer.status is Status.REJECTED and "acquire a new one" in answer.reason
        with pytest.raises(LeaseError):
            town.desk.renew(lease.lease_id, lease.token, 30)
        again = town.lease("kim")
        assert again.token > lease.token, "tokens never come back"
        town.until(lambda: not town.seen.in_transition, 60)
        assert town.ask(again, Verb.GO_TO_STAGE, stage=SIDE).status is not Status.REJECTED
        town.until(lambda: town.seen.stage == SIDE and town.source is Source.CENTRE, 90)


def test_flash_by_two_people_ends_with_the_process_at_a_legal_point(tmp_path: Path) -> None:
    with Town(tmp_path, policy=rest) as town:
        town.confirmed(town.lease(), Verb.FLASH)
        town.until(lambda: town.seen.flash, 60)
        restart(town, 1.0)
        town.until(lambda: not town.seen.flash, 120)
        town.until(lambda: town.source is Source.POLICY and town.seen.mode is Mode.REMOTE, 30)


def test_a_successor_of_another_name_waits_for_the_lease_of_the_dead_one(tmp_path: Path) -> None:
    with Town(tmp_path, policy=cycle) as town:
        restart(town, client=CLIENT_ID + 1)
        town.run(1.0)
        assert town.refused, "the cabinet is still the dead one's"
        town.refused.clear()
        town.until(lambda: town.seen.mode is Mode.LOCAL, 10)
        town.until(lambda: town.seen.mode is Mode.REMOTE, 10)
        town.refused.clear()
        town.run(60)


def test_a_clock_that_is_set_is_noticed_once_and_a_slow_drift_is_not() -> None:
    wall, monotonic = 1_000_000.0, 50.0
    watch = ClockWatch(lambda: wall, lambda: monotonic)
    moved = []
    for step in (0.0, 3600.0, 0.0, -3600.0, 0.01, 0.01, -7200.0):
        monotonic += 1.0
        wall += 1.0 + step
        moved.append(round(watch.step()))
    assert moved == [0, 3600, 0, -3600, 0, 0, -7200]
