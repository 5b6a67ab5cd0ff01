"""High-resolution events: what a cabinet did, in the codes engineers know, and in the form they read."""

from __future__ import annotations

import csv
import datetime
import sqlite3
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from stopline_controller import events
from stopline_controller.alarms import Alarms
from stopline_controller.events import EventLog, Selection, read_channels, read_events
from stopline_controller.export_events import export_detectors, export_events
from stopline_controller.hires import Code, HiResEvent, Observer
from stopline_controller.overrides import Verb
from stopline_signals.plan import Aspect
from tests.controller.bench import until
from tests.controller.town import LEFT, MAIN_GROUP, PLAN, SIDE, SIDE_GROUP, Town, cycle, rest


class Recorder:
    """Collects what an observer makes of a town."""

    def __init__(self, town: Town) -> None:
        self.events: list[HiResEvent] = []
        observer = Observer(PLAN)
        town.hub.listen(lambda made: self.events.extend(e for s in made for e in observer.events(s)))

    def of(self, group: int, *codes: Code) -> list[int]:
        return [event.code for event in self.events if event.parameter == group + 1 and event.code in codes]


LAMPS = (Code.GREEN, Code.GREEN_END, Code.YELLOW, Code.YELLOW_END, Code.RED_CLEARANCE, Code.RED_CLEARANCE_END)


def test_a_vehicle_group_goes_through_its_cycle_in_order(tmp_path: Path) -> None:
    with Town(tmp_path, policy=cycle) as town:
        recorder = Recorder(town)
        town.run(200)
        codes = recorder.of(SIDE_GROUP, *LAMPS)
        codes = codes[codes.index(Code.GREEN) :]
        assert len(codes) > 12
        order = dict(pairwise((*LAMPS, Code.GREEN)))
        for code, following in pairwise(codes):
            assert following == order[Code(code)]
        walks = recorder.of(4, Code.WALK, Code.PED_CLEARANCE, Code.DONT_WALK)
        assert Code.PED_CLEARANCE in walks and Code.WALK in walks


def test_permissive_to_protected_is_one_green(tmp_path: Path) -> None:
    with Town(tmp_path) as town:
        recorder = Recorder(town)
        town.run(1)
        recorder.events.clear()
        town.ask(town.lease(), Verb.GO_TO_STAGE, stage=LEFT)
        town.until(lambda: town.seen.stage == LEFT and not town.seen.in_transition, 60)
        assert town.seen.aspects[1] == Aspect.GREEN
        assert recorder.of(1, Code.GREEN, Code.GREEN_END) == [], "it never was anything but green"


def test_detectors_calls_and_our_own_decisions_are_events(tmp_path: Path) -> None:
    with Town(tmp_path, policy=rest) as town:
        recorder = Recorder(town)
        town.run(1)
        town.queue("side near", "walk across button")
        town.run(1)
        town.queue()
        town.ask(town.lease(), Verb.GO_TO_STAGE, stage=SIDE)
        town.run(40)
        town.queue()
        town.run(1)
        seen = [(event.code, event.parameter) for event in recorder.events]
        channel = [detector.name for detector in PLAN.detectors].index("side near") + 1
        button = 5  # of the fifth group
        for pair in (
            (Code.DETECTOR_ON, channel),
            (Code.DETECTOR_OFF, channel),
            (Code.BUTTON_ON, button),
            (Code.BUTTON_OFF, button),
            (Code.CALL_ON, SIDE_GROUP + 1),
            (Code.PED_CALL, 5),
            (Code.FORCE_OFF, MAIN_GROUP + 1),
            (Code.SOURCE, 6),
            (Code.SOURCE, 4),
        ):
            assert pair in seen, pair


def test_flash_preempts_and_lost_links_are_events(tmp_path: Path) -> None:
    with Town(tmp_path) as town:
        recorder = Recorder(town)
        town.confirmed(town.lease(ttl=60), Verb.FLASH)
        town.run(100)
        town.street.online = False
        town.run(2)
        town.street.online = True
        town.run(5)
        seen = [(event.code, event.parameter) for event in recorder.events]
        assert (Code.FLASH_STATUS, 3) in seen and (Code.FLASH_STATUS, 2) in seen
        assert (Code.LINK, 0) in seen and seen.index((Code.LINK, 0)) < len(seen) - 1
        assert all(code >= 512 for code in Code if code.name in ("SOURCE", "GUARD", "LINK", "MODE", "ASKED"))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    made = EventLog(tmp_path / "events.sqlite", {"A": PLAN}, 1000, Alarms())
    yield made
    made.close()


def _event(number: int, junction: str = "A") -> HiResEvent:
    return HiResEvent(1_700_000_000_000_000 + number * 100_000, junction, Code.DETECTOR_ON, number % 8 + 1)


def test_events_are_on_disk_within_a_tick_or_two(log: EventLog) -> None:
    log.add([_event(number) for number in range(10)])
    until(lambda: len(list(read_events(log.path))) == 10, 2, "written by its thread")


def test_the_oldest_events_go_when_there_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PRUNED_AT_ONCE", 100)
    monkeypatch.setattr(events, "FLUSH_S", 0.01)
    log = EventLog(tmp_path / "events.sqlite", {"A": PLAN}, 500, Alarms())
    for batch in range(20):
        log.add([_event(100 * batch + number) for number in range(100)])
        time.sleep(0.03)
    log.close()
    kept = list(read_events(log.path))
    assert 500 <= len(kept) <= 800 and kept[-1] == _event(1999)


def test_a_disk_that_refuses_raises_an_alarm_and_loses_nothing(tmp_path: Path) -> None:
    alarms = Alarms()
    log = EventLog(tmp_path / "events.sqlite", {"A": PLAN}, 1000, alarms)
    blocker = sqlite3.connect(log.path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    log.add([_event(1)])
    assert time.monotonic() - began < 0.05, "control does not wait"
    until(lambda: any("events cannot" in text for text in alarms.texts), 10, "an alarm")
    blocker.execute("ROLLBACK")
    blocker.close()
    until(lambda: not alarms.texts, 10, "cleared")
    log.close()
    assert list(read_events(log.path)) == [_event(1)]


def test_the_export_is_what_atspm_wants(log: EventLog, tmp_path: Path) -> None:
    log.add([_event(number) for number in range(5)])
    log.close()
    out = tmp_path / "events.csv"
    zone = datetime.timezone(datetime.timedelta(hours=2))
    wanted = Selection("A", _event(1).wall_us, _event(4).wall_us)
    assert export_events(log.path, out, wanted, zone) == 3
    lines = list(csv.reader(out.open()))
    assert lines[0] == ["TimeStamp", "DeviceId", "EventId", "Parameter"]
    assert lines[1] == ["2023-11-15 00:13:20.100", "A", "82", "2"]
    assert export_detectors(log.path, tmp_path / "detectors.csv") == 9
    assert {channel.phase for channel in read_channels(log.path)} == {1, 2, 3, 4, 5}
