"""Signal requests by radio: the same desk, the same suspicion, and nothing from strangers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import structlog.testing

from stopline.v1 import junction_pb2, junction_pb2_grpc, state_pb2
from stopline_controller.access import METHODS
from stopline_controller.audit import AuditLog
from stopline_controller.dates import Dates
from stopline_controller.priority import PriorityBook
from stopline_controller.priority_desk import PriorityDesk
from stopline_controller.site import InvalidSite, read_site
from stopline_controller.site_tables import V2xInboundTable, V2xTable
from stopline_controller.v2x.inlet import Inlet, check_extra
from stopline_controller.v2x.translation import minute_of_year, moment
from stopline_hil.example import crossroads
from stopline_signals.approach import Now
from stopline_signals.detectors import NOTHING
from stopline_signals.engine import Engine
from stopline_signals.errors import SiteError
from tests.controller.bench import ServeProcess, until
from tests.controller.manual_clock import ManualClock
from tests.controller.sites import write_site
from tests.controller.v2x_vehicle import APPROACH, INTERSECTION, srm, statuses

PLAN = replace(crossroads(), junction="A")
ENGINE = Engine(PLAN)
HERE = Now(ENGINE, ENGINE.advance(ENGINE.start(0, 0), -1, 0, 300).state, (NOTHING,) * len(PLAN.detectors))
RSU = "127.0.0.1:4741"
WALL = 1.7e9
LINE = (52.0, 8.0)
NEAR, FAR = (52.0008, 8.0), (52.02, 8.0)
"""Some 90 m and 2.2 km north of the stop line."""


class Box:
    """An inlet on a clock that is set by hand, with all that is behind it."""

    def __init__(self, audit: AuditLog, **options: object) -> None:
        inbound = V2xInboundTable(
            intersection=INTERSECTION, approach=APPROACH, junction="A", group="side",
            latitude=LINE[0], longitude=LINE[1],
        )  # fmt: skip
        table = V2xTable.model_validate({"peers": (RSU,), "inbound": (inbound,), **options})
        self.clock, self.audit = ManualClock(), audit
        self.book = PriorityBook(self.clock, {"A": PLAN})
        self.dates = Dates(self.wall, lambda: self.clock.at)
        self.desk = PriorityDesk(self.book, audit, self.clock, {"A"}, dates=self.dates)
        self.inlet = Inlet(table, self.desk, wall=self.wall)

    def wall(self) -> float:
        return WALL + self.clock.at

    def send(self, frame: bytes, peer: str = RSU) -> list[str]:
        return statuses(self.inlet.take(frame, peer))

    def asked(self) -> list[str]:
        return [proposal.holder for proposal in self.book.proposals("A", HERE)]

    def refusals(self) -> list[str]:
        return [str(json.loads(record.detail)["why"]) for record in self.audit.read(kind="priority-refused")]


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[AuditLog]:
    log = AuditLog(tmp_path / "audit.sqlite")
    yield log
    log.close()


@pytest.fixture
def box(audit: AuditLog) -> Box:
    return Box(audit)


def test_a_request_is_granted_kept_alive_and_given_back(box: Box) -> None:
    assert box.send(srm(WALL, 60.0)) == ["requested"], "too early"
    for second in range(1, 12):
        box.clock.at = float(second)
        box.send(srm(box.wall(), 6.0, kind="priorityRequestUpdate"))
    assert box.asked() == ["v2x-010c0c0a"]
    box.clock.at += 1.0
    assert box.send(srm(box.wall())) == ["granted"]
    box.clock.at += 1.0
    assert box.send(srm(box.wall(), kind="priorityCancellation")) == []
    assert box.asked() == [] and box.refusals() == []
    states = [json.loads(record.detail) for record in box.audit.read(kind="priority")]
    assert states[0]["certificate"] == "v2x" and states[-1]["state"] == "completed"


@pytest.mark.parametrize(
    ("schedule", "served"),
    # In steps of 10 s, ahead of the timetable counts up; -122 says that it is not known.
    [
        (-9, True),
        (-6, True),
        (-5, False),
        (0, False),
        (12, False),
        (-121, True),
        (-122, False),
        (None, False),
    ],
)
def test_a_bus_is_served_by_radio_when_it_is_a_minute_late(
    box: Box, schedule: int | None, served: bool
) -> None:
    box.send(srm(WALL, 4.0, role="transit", schedule=schedule))
    assert bool(box.asked()) is served


def test_two_junctions_asked_for_by_turns_keep_each_other_alive(audit: AuditLog) -> None:
    rows = [
        {"intersection": n, "approach": APPROACH, "junction": j, "group": "side"}
        for n, j in ((1, "A"), (2, "B"))
    ]
    box = Box(audit, inbound=rows)
    plans = {name: replace(PLAN, junction=name) for name in "AB"}
    box.book = PriorityBook(box.clock, plans)
    box.inlet._desk = PriorityDesk(box.book, audit, box.clock, plans, dates=box.dates)
    for turn in range(6):
        box.clock.at += 1.0
        box.send(srm(box.wall(), 5.0, intersection=1 + turn % 2))
    both = {"A": ["v2x-010c0c0a"], "B": ["v2x-010c0c0a"]}
    assert box.book.active() == both
    box.send(srm(WALL + 4.5, 5.0, intersection=1, kind="priorityCancellation"))
    box.clock.at += 0.5
    box.send(srm(box.wall(), 5.0, intersection=2))
    assert box.book.active() == both, "an old cancellation is not remembered either"
    for _ in range(10):
        box.clock.at += 1.0
        box.send(srm(box.wall(), 5.0, intersection=2))
    assert box.book.active() == {"B": ["v2x-010c0c0a"]}, "the first is passed when it is no longer asked for"


LIES: dict[str, Callable[[], bytes]] = {
    "a private car": lambda: srm(WALL, role="basicVehicle"),
    "says no role": lambda: srm(WALL, role=None),
    "measured a minute ago": lambda: srm(WALL - 60.0, 66.0),
    "measured in the future": lambda: srm(WALL + 60.0, -54.0),
    "measured last year": lambda: srm(WALL - 300 * 86_400.0),
    "says no minute": lambda: srm(WALL, dated=False),
    "is far away and arrives at once": lambda: srm(WALL, 3.0, position=FAR),
    "drives faster than anybody": lambda: srm(WALL, 6.0, position=NEAR, speed_mps=100.0),
    "is in another city": lambda: srm(WALL, 6.0, position=(48.0, 11.0)),
    "says neither where nor when": lambda: srm(WALL, None),
    "came long ago": lambda: srm(WALL, -100.0),
    "arrives after an age": lambda: srm(WALL, 7_200.0),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_by_radio_is_rejected_and_recorded(box: Box, lie: str) -> None:
    assert box.send(LIES[lie]()) == ["rejected"]
    assert box.asked() == [] and len(box.refusals()) == 1
    assert box.inlet.counts == {"refused": 1}


def test_a_jump_a_changed_class_and_a_replay_get_nothing(box: Box) -> None:
    first = srm(WALL, 150.0, position=FAR)
    assert box.send(first) == ["requested"]
    box.clock.at = 1.0
    assert box.send(srm(box.wall(), 6.0, position=NEAR)) == ["rejected"]
    assert box.send(srm(box.wall(), 150.0, position=FAR, role="fire")) == ["rejected"]
    assert box.send(first) == ["requested"], "a replay is answered as it stands"
    assert box.asked() == []
    assert [why.partition(" ")[0] for why in box.refusals()] == ["came", "was", "report"]


def test_a_replay_of_a_cancellation_changes_nothing_either(box: Box) -> None:
    cancelled = srm(WALL, kind="priorityCancellation")
    box.clock.at = 1.0
    box.send(srm(box.wall()))
    box.send(cancelled)
    assert box.asked() == ["v2x-010c0c0a"]
    box.clock.at = 2.0
    assert box.send(srm(box.wall())) == ["granted"]


def test_a_stranger_is_not_even_read(box: Box) -> None:
    for peer in ("127.0.0.1:5555", "", "10.0.0.1:4741"):
        assert box.send(srm(WALL), peer) == []
    assert box.asked() == [] and box.inlet.counts == {"stranger": 3}
    assert all("are not taken" in why for why in box.refusals())


def test_another_intersections_request_is_nobodys_business(box: Box) -> None:
    assert box.send(srm(WALL, intersection=7)) == [] and box.send(srm(WALL, approach=4)) == []
    assert box.inlet.counts == {"not ours": 2} and box.refusals() == []


def test_frames_over_the_rate_are_dropped_unread(audit: AuditLog) -> None:
    box = Box(audit, frames_per_s=5.0)
    for _ in range(200):
        box.send(b"rubbish")
    assert box.inlet.counts["malformed"] <= 20
    assert box.inlet.counts["malformed"] + box.inlet.counts["too many"] == 200
    assert len(box.refusals()) <= 3, "counted, not written one by one"


def test_damaged_frames_are_said_once_and_their_end_once(box: Box) -> None:
    with structlog.testing.capture_logs() as logged:
        for _ in range(5):
            box.send(srm(WALL)[:-3])
        box.send(srm(WALL))
        box.send(srm(WALL))
    assert [line["event"] for line in logged] == ["v2x_frame_malformed", "v2x_frames_readable_again"]


def test_thousands_of_mutated_frames_break_nothing(audit: AuditLog) -> None:
    box = Box(audit, frames_per_s=10_000.0)
    honest = srm(WALL, 300.0, position=FAR)
    dice = random.Random(2735)
    for number in range(3_000):
        frame = bytearray(honest)
        for _ in range(dice.randint(1, 8)):
            frame[dice.randrange(3, len(frame))] = dice.randrange(256)
        box.clock.at = number / 100
        box.inlet.take(bytes(frame), RSU)
    counts = box.inlet.counts
    assert sum(counts.values()) == 3_000
    assert counts["malformed"] > 50 and counts["refused"] > 50 and counts["not ours"] > 50, counts


def test_a_moment_is_the_nearest_that_fits_also_over_new_year() -> None:
    new_year = 1_704_067_200.0  # 2024-01-01 00:00 UTC
    for wall in (WALL, new_year - 0.5, new_year, new_year + 0.5, new_year - 61.0):
        assert moment(*minute_of_year(wall), wall + 1.0) == pytest.approx(wall, abs=0.001)
        assert moment(None, minute_of_year(wall)[1], wall + 20.0) == pytest.approx(wall, abs=0.001)
    assert moment(1, 65_535, WALL) is None and moment(None, None, WALL) is None


def test_only_roles_that_may_report_can_be_given_to_a_roadside_unit() -> None:
    roles = get_args(V2xTable.model_fields["role"].annotation)
    assert set(roles) == {str(role) for role in METHODS["/stopline.v1.PriorityService/Report"]}


SITE = """[v2x]
address = "{address}"
peers = ["{peer}"]
[[v2x.inbound]]
intersection = 1222
approach = 3
junction = "A"
group = "{group}"
"""


def test_a_site_with_a_wrong_entry_is_refused_at_its_line(tmp_path: Path) -> None:
    wrong = SITE.format(address="192.0.2.1:4735", peer="x", group="tram") + "lane = 2\nlatitude = 52.0\n"
    with pytest.raises(InvalidSite) as refused:
        read_site(write_site(tmp_path, policy='bundle = "none"', extra=wrong))
    text = str(refused.value)
    for words in ("only on loopback", "exactly one of", "latitude and longitude", "no group 'tram'"):
        assert words in text
    nowhere = SITE.format(address="127.0.0.1:0", peer="x", group="side").replace('"A"', '"Z"')
    with pytest.raises(InvalidSite, match="no junction 'Z'"):
        read_site(write_site(tmp_path, policy='bundle = "none"', extra=nowhere))


def test_a_running_controller_answers_with_the_status_and_its_junction_turns(
    tmp_path: Path,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unit:
        unit.bind(("127.0.0.1", 0))
        unit.settimeout(5)
        host, port = unit.getsockname()
        extra = SITE.format(address="127.0.0.1:0", peer=f"{host}:{port}", group="side")
        site = write_site(tmp_path, controller="clock_rate = 8", policy='bundle = "none"', extra=extra)
        with ServeProcess(site) as running:

            def listening() -> list[str]:
                return [str(e["address"]) for e in running.events() if e["event"] == "v2x_listening"]

            until(lambda: bool(listening()), 10, "listening")
            name, _, number = listening()[0].partition(":")

            def answered() -> list[str]:
                time.sleep(0.1)
                unit.sendto(srm(time.time(), 4.0), (name, int(number)))
                return statuses(unit.recv(2048))

            with running.channel() as channel:
                watch = junction_pb2_grpc.JunctionServiceStub(channel).WatchState
                states = watch(junction_pb2.WatchStateRequest(junction_ids=["A"]))
                until(lambda: answered() == ["granted"], 30, "granted")
                until(lambda: next(states).state.source == state_pb2.SOURCE_EMERGENCY, 10, "in force")
                states.cancel()


def test_without_its_extra_a_site_that_asks_for_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_extra()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SiteError, match=r"pip install 'stopline\[v2x\]'"):
        check_extra()


async def test_a_socket_of_the_machine_is_its_owners_alone_and_answers_who_is_named(
    audit: AuditLog, tmp_path: Path
) -> None:
    path, own = tmp_path / "v2x.sock", tmp_path / "rsu.sock"
    box = Box(audit, address=f"unix:{path}", peers=(str(own),))
    task = asyncio.create_task(box.inlet.run())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unit:
        unit.bind(str(own))
        unit.setblocking(False)
        while not box.inlet.address:
            await asyncio.sleep(0.01)
            assert not task.done(), task
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        unit.sendto(srm(WALL), str(path))
        answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(unit, 2048), 5)
        assert statuses(answer) == ["requested"] or statuses(answer) == ["granted"]
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
