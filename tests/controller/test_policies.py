"""Policies in the running loop: shadow, activation, roll-back by each limit, and what a restart remembers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from stopline_controller.assembly import Controller, assemble
from stopline_controller.audit_chain import read_records, verify_file
from stopline_controller.policies import PolicyHost
from stopline_controller.policy_store import LOCAL, PolicyError, State
from stopline_controller.site import read_site
from stopline_controller.site_tables import RollbackTable
from stopline_controller.snapshots import Snapshot
from stopline_controller.sources import Proposal, Source
from stopline_policy.bundle import read_bundle
from stopline_policy.signing import load_public_key
from stopline_signals.detectors import NOTHING, DetectorReading
from stopline_signals.errors import BundleError
from stopline_signals.plan import Aspect
from stopline_signals.view import JunctionView
from tests.controller.sites import write_site
from tests.controller.town import MAIN, SIDE_GROUP, Town
from tests.controller.versions import Versions, policy_table

RATE = 40.0


class Works:
    """A site of two junctions with cabinets in memory, its loop running in this event loop."""

    def __init__(
        self, folder: Path, bundle: str = "first.bundle", *, policy: str = "", extra: str = ""
    ) -> None:
        self.versions = Versions(folder)
        self.versions.greedy(bundle.removesuffix(".bundle"))
        self.folder, self._policy, self._extra = folder, policy, extra
        self.name_bundle(bundle)

    def name_bundle(self, bundle: str) -> None:
        """Write the site file anew, with this bundle."""
        table = policy_table(bundle, self._policy)
        rate = f"clock_rate = {RATE}"
        memory = 'driver = "memory"'
        cabinets = {"A": memory, "B": memory}
        self.site = write_site(self.folder, cabinets, controller=rate, policy=table, extra=self._extra)

    async def __aenter__(self) -> Works:
        self.controller = assemble(read_site(self.site))
        self._task = asyncio.create_task(self.controller.loop.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.controller.loop.stop()
        await self._task
        self.controller.close()

    @property
    def room(self) -> object:
        return self.controller.policies

    def load(self, path: Path) -> str:
        bundle = read_bundle(path, [load_public_key(self.folder / "key.pub.pem")])
        return self.controller.policies.load(bundle, "kim").sha256

    def source(self, junction: str = "A") -> Source | None:
        snapshot = self.controller.hub.latest.get(junction)
        return snapshot.ruling.winner.source if snapshot else None

    def holder(self, junction: str = "A") -> str:
        snapshot = self.controller.hub.latest.get(junction)
        return snapshot.ruling.winner.holder if snapshot else ""

    async def until(self, holds: Callable[[], bool], seconds: float = 120) -> None:
        """Wait for something, at most `seconds` of the controller's clock."""
        deadline = self.controller.clock.seconds() + seconds
        while not holds():
            assert not self._task.done()
            assert self.controller.clock.seconds() < deadline, "it did not happen in time"
            self.controller.policies.tidy()
            await asyncio.sleep(0.005)

    def records(self, kind: str) -> list[dict[str, object]]:
        found = read_records(self.folder / "state" / "audit.sqlite")
        return [json.loads(record.detail) for record in found if record.kind == kind]


def _active(controller: Controller) -> str:
    seat = controller.policies.active
    return seat.name if seat else "local plans"


async def test_a_version_goes_from_loading_over_shadow_into_charge(tmp_path: Path) -> None:
    async with Works(tmp_path, policy="shadow_decisions = 4") as works:
        room = works.controller.policies
        await works.until(lambda: works.holder() == "first")
        sha = works.load(works.versions.stubborn(2, interval=4.0))
        assert _active(works.controller) == "first" and works.holder() == "first", "loading changes nothing"
        with pytest.raises(PolicyError, match="decided 0 times in shadow"):
            room.activate(sha, "kim", "looks good")
        assert room.shadow(sha[:8], "kim") is None
        await works.until(lambda: room.shadowing is not None and room.shadowing.total.compared >= 8)
        assert works.holder() == "first", "a shadow asks for nothing"
        shadow = room.shadowing
        assert shadow is not None and set(shadow.agreement) == {"A", "B"}
        assert shadow.total.agreed < shadow.total.compared, "this one wants something else"
        number = room.activate(sha, "kim", "agreed long enough")
        assert number > 0 and room.shadowing is None
        await works.until(lambda: works.holder() == "stubborn" and works.holder("B") == "stubborn")
        await works.until(lambda: works.controller.controls["A"].state.stage == 2)  # type: ignore[union-attr]  # read long since
        assert works.controller.controls["A"]._interval == 40, "decides every 4 s now"
        assert room.store.versions[sha].state is State.ACTIVE
        assert room.roll_back("max", "complaints") > number
        await works.until(lambda: works.holder() == "first")
    ended = works.records("policy-shadow-ended")[0]
    assert ended["compared"] >= 8 and ended["bundle"] == sha  # type: ignore[operator]  # a number in JSON
    assert [d["name"] for d in works.records("policy-activated")] == ["first", "stubborn"]
    assert works.records("policy-rolled-back")[0]["reason"] == "complaints"
    assert verify_file(tmp_path / "state" / "audit.sqlite").intact


async def test_a_shadow_of_the_policy_itself_agrees_always(tmp_path: Path) -> None:
    async with Works(tmp_path) as works:
        room = works.controller.policies
        room.shadow(works.load(works.versions.greedy("twin")), "kim")
        await works.until(lambda: room.shadowing is not None and room.shadowing.total.compared >= 6)
        assert room.shadowing is not None
        assert room.shadowing.total.agreed == room.shadowing.total.compared


async def test_a_policy_whose_scores_are_not_finite_is_replaced_before_the_cabinets_notice(
    tmp_path: Path,
) -> None:
    async with Works(tmp_path) as works:
        room = works.controller.policies
        await works.until(lambda: works.holder() == "first" and works.holder("B") == "first")
        sha = works.load(works.versions.nan())
        seen: list[Source | None] = []
        works.controller.hub.listen(lambda made: seen.extend(s.ruling.winner.source for s in made))
        room.activate(sha, "kim", "try")
        await works.until(lambda: room.store.versions[sha].state is State.ROLLED_BACK, 30)
        assert _active(works.controller) == "first"
        await works.until(lambda: works.holder() == "first")
        assert set(seen) == {Source.POLICY}, "never on the local plan"
        assert any("was rolled back to first" in text for text in works.controller.hub.latest["A"].alarms)
        with pytest.raises(PolicyError, match="was rolled back"):
            room.activate(sha, "kim", "again")
        room.activate(sha, "kim", "to be sure", again=True)
        await works.until(lambda: _active(works.controller) == "first", 30)
        assert list(room.store.before()) == [LOCAL], "what was rolled back is nobody's successor"
    assert len(works.records("policy-rolled-back")) == 2
    assert "decisions failed" in str(works.records("policy-rolled-back")[0]["reason"])


async def test_one_that_raises_is_replaced_within_the_same_decision(tmp_path: Path) -> None:
    async with Works(tmp_path) as works:
        room = works.controller.policies
        room.activate(works.load(works.versions.stubborn(2)), "kim", "try")
        await works.until(lambda: works.holder() == "stubborn")
        room.tidy()
        seat = room.active
        assert seat is not None

        class Broken:
            name, decision_interval = "broken", 5.0

            def reset(self, plans: object) -> None: ...

            def decide(self, views: Sequence[JunctionView]) -> list[int]:
                raise ZeroDivisionError

        seat.host._policy = Broken()
        await works.until(lambda: _active(works.controller) == "first", 30)
    assert "ZeroDivisionError" in str(works.records("policy-rolled-back")[0]["reason"])


async def test_the_guard_changing_a_tenth_of_the_decisions_ends_a_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stopline_controller.policy_watch.ENOUGH_DECISIONS", 5)
    async with Works(tmp_path) as works:
        room = works.controller.policies
        await works.until(lambda: works.holder() == "first")
        assert room.active is not None
        wild: PolicyHost = room.active.host

        def anything(views: Sequence[JunctionView]) -> list[Proposal | None]:
            return [Proposal(Source.POLICY, 99, "decided", wild.facts.name) for _ in views]

        monkeypatch.setattr(wild, "decide", anything)
        await works.until(lambda: _active(works.controller) == "local plans")
        await works.until(lambda: works.source() is Source.LOCAL and works.source("B") is Source.LOCAL)
        standing = works.controller.hub.latest["A"].ruling.stack
        policy = next(row for row in standing if row.proposal.source is Source.POLICY)
        assert re.search(r"the guard changed \d+% of its decisions", policy.proposal.reason)


async def test_a_policy_that_takes_too_long_is_taken_out(tmp_path: Path) -> None:
    async with Works(tmp_path, extra="[rollback]\nbatch_ms = 0.0001") as works:
        await works.until(lambda: _active(works.controller) == "local plans", 300)
        await works.until(lambda: works.source() is Source.LOCAL)
    assert "a batch of its decisions takes" in str(works.records("policy-rolled-back")[0]["reason"])


def test_vehicles_that_stand_longer_than_under_the_local_plan_end_a_policy(tmp_path: Path) -> None:
    # In lock step, so that windows of a minute are whole ones on any machine.
    limits = "[rollback]\nwindow_s = 60\nwindows = 2"
    works = Works(tmp_path, "test.bundle", extra=limits)
    controller = assemble(read_site(works.site))
    room = controller.policies
    assert room.active is not None and room.active.holder == "test"
    view = None
    with Town(tmp_path / "town", policy=None) as town:
        town.hub.listen(lambda made: room.note([_held_by(snapshot, "test") for snapshot in made]))
        _flow(town, 200)
        assert room.active.watch.traffic.windows == 0, "the local plan is learnt, nobody is judged"
        town.policy = lambda allowed, present: MAIN if allowed >> MAIN & 1 else present
        _flow(town, 200)
        view = town.control.view()
    found = room.active.watch.traffic
    assert found.windows >= 2 and found.standing_s > 1.25 * found.expected_s > 0
    assert room.decide([view]) == [None] and room.active is None
    assert "times as long as under the local plan" in room.withdraws("A")
    room.tidy()
    controller.close()
    kept = json.loads((tmp_path / "state" / "policies" / "local_plan.json").read_text())
    assert set(kept) == {"A"}
    again = assemble(read_site(works.site))
    assert any("rolled back to the local plans" in text for text in again.policies.store.alarm.splitlines())
    again.close()


def _held_by(snapshot: Snapshot, holder: str) -> Snapshot:
    """The same with a policy's name at its proposal, which the town's own policy has none of."""
    ruling = snapshot.ruling
    if ruling.winner.source is not Source.POLICY:
        return snapshot
    return snapshot._replace(ruling=ruling._replace(winner=ruling.winner._replace(holder=holder)))


def _flow(town: Town, seconds: int) -> None:
    """Vehicles that reach the side road one every five seconds and leave two seconds apart on green."""
    queue = 0
    near = [detector.name for detector in town.plan.detectors].index("side near")
    for half in range(2 * seconds):
        green = town.seen.aspects[SIDE_GROUP] >= Aspect.PERMISSIVE
        queue += half % 10 == 0
        queue -= green and queue > 0 and half % 4 == 1
        readings = [NOTHING] * len(town.plan.detectors)
        readings[near] = DetectorReading(min(queue, 8), min(queue, 8))
        town.street.core.set_readings(readings)
        town.run(0.5)


def test_a_corrupt_bundle_is_refused_and_recorded(tmp_path: Path) -> None:
    works = Works(tmp_path)
    controller = assemble(read_site(works.site))
    with pytest.raises(BundleError, match="does not match its hash"):
        works.controller = controller
        works.load(works.versions.corrupt())
    assert _active(controller) == "first" and len(controller.policies.store.versions) == 1
    controller.close()


def test_a_version_damaged_on_disk_is_passed_over(tmp_path: Path) -> None:
    works = Works(tmp_path)
    works.controller = controller = assemble(read_site(works.site))
    sha = works.load(works.versions.stubborn(1))
    controller.policies.activate(sha, "kim", "try")
    controller.close()
    stored = tmp_path / "state" / "policies" / f"{sha}.zip"
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 0xFF
    stored.write_bytes(content)
    controller = assemble(read_site(works.site))
    assert _active(controller) == "first"
    assert controller.policies.store.versions[sha].state is State.ROLLED_BACK
    assert "could not be taken up again" in controller.policies.store.alarm
    with pytest.raises(PolicyError, match="damaged"):
        controller.policies.activate(sha, "kim", "again", again=True)
    controller.close()


def test_a_restart_goes_on_with_the_version_in_charge_unless_the_site_file_changed(
    tmp_path: Path,
) -> None:
    works = Works(tmp_path)
    works.controller = controller = assemble(read_site(works.site))
    sha = works.load(works.versions.stubborn(1))
    controller.policies.activate(sha, "kim", "better")
    controller.close()
    controller = assemble(read_site(works.site))
    assert _active(controller) == "stubborn"
    controller.policies.roll_back("kim", "worse")
    controller.close()
    controller = assemble(read_site(works.site))
    assert _active(controller) == "first", "the roll-back survives as well"
    assert controller.policies.store.versions[sha].state is State.ROLLED_BACK
    controller.close()
    works.versions.stubborn(2, name="second")
    works.name_bundle("second.bundle")
    controller = assemble(read_site(works.site))
    assert _active(controller) == "second"
    (tmp_path / "state" / "policies" / "policies.json").write_text("{")
    controller.close()
    controller = assemble(read_site(works.site))
    assert _active(controller) == "second", "a damaged history is begun anew"
    controller.close()


def test_the_local_plans_can_be_put_in_charge(tmp_path: Path) -> None:
    works = Works(tmp_path)
    controller = assemble(read_site(works.site))
    controller.policies.activate("none", "kim", "road works")
    assert "put in charge by kim: road works" in controller.policies.withdraws("A")
    with pytest.raises(PolicyError, match="already"):
        controller.policies.roll_back("kim", "no")
    assert controller.policies.store.before()[0] != "", "the version before can come back"
    controller.close()


def test_the_page_names_every_limit_with_its_default(root: Path) -> None:
    page = (root / "docs" / "policies.md").read_text(encoding="utf-8")
    limits = RollbackTable()
    shown = {
        "failures": f"{limits.failures} of the latest 200",
        "interventions": f"{limits.interventions:.0%}".replace("%", " %"),
        "batch_ms": f"{limits.batch_ms:g} ms",
        "delay": f"{limits.delay:.0%}".replace("%", " %"),
        "windows": f"latest {limits.windows} windows",
        "window_s": f"of {limits.window_s:g} s",
    }
    assert set(shown) == set(RollbackTable.model_fields)
    for name, words in shown.items():
        assert words in page, name
