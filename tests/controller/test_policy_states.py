"""What a version is after shadow, damage, a restart and a kill; and that control waits for no disk."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from stopline_controller.assembly import Controller, assemble
from stopline_controller.policies import PolicyHost, host_bundle
from stopline_controller.policy_room import PolicyRoom
from stopline_controller.policy_seat import Seat
from stopline_controller.policy_store import LOCAL, PolicyError, State
from stopline_controller.queue_delay import Baseline, Usual, Window
from stopline_controller.site import read_site
from stopline_policy.bundle import Bundle
from tests.controller.sites import write_site
from tests.controller.versions import Versions, policy_table

PATIENCE_S = 20.0
"""Real seconds after which something that may not wait counts as waiting."""


class Held:
    """Stands for a disk or a model that takes its time: until it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.begun.set()
        assert self.let_go.wait(2 * PATIENCE_S)


class Place:
    """A site whose policy `first` is in charge; nothing runs but what a test calls."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.versions = folder, Versions(folder)
        self.versions.greedy("first")
        self.site = write_site(folder, policy=policy_table("first.bundle"))
        self.controller: Controller = assemble(read_site(self.site))

    @property
    def room(self) -> PolicyRoom:
        return self.controller.policies

    @property
    def in_charge(self) -> str:
        return self.room.active.name if self.room.active else "local plans"

    def load(self, path: Path) -> str:
        return self.room.load(self.room.store.read(path), "kim").sha256

    def state(self, sha: str) -> State:
        return self.room.store.versions[sha].state

    def stored(self, sha: str) -> Path:
        return self.folder / "state" / "policies" / f"{sha}.zip"

    def restart(self) -> None:
        """Stop without a last look at the policies, as a kill would, and start again."""
        self.controller.close()
        self.controller = assemble(read_site(self.site))

    def charge(self, sha: str, *, ready: bool = True) -> Seat:
        """Put a version in charge, the one before made ready by housekeeping."""
        self.room.activate(sha, "kim", "try")
        if ready:
            self.room.tidy()
        assert self.room.active is not None
        return self.room.active


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.controller.close()


@contextlib.contextmanager
def meanwhile(work: Callable[[], object], held: Held) -> Generator[None]:
    """Let `work` come as far as what is held in another thread, and end after this block."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert held.begun.wait(PATIENCE_S), "it did not come to what is held"
    try:
        yield
    finally:
        held.let_go.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()


def _at_once(call: Callable[[], object]) -> None:
    """Fail when the call waits for something that is held."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    assert not thread.is_alive(), "it waits"


def _object(monkeypatch: pytest.MonkeyPatch, seat: Seat, why: str = "too wild") -> None:
    """Have a policy pass a limit at its next decision."""
    monkeypatch.setattr(seat, "objection", lambda: why)


def test_being_in_shadow_clears_no_roll_back(place: Place) -> None:
    room, first = place.room, place.room.store.site
    sha = place.load(place.versions.stubborn(1))
    place.charge(sha)
    room.roll_back("kim", "jams")
    room.shadow(sha, "kim")
    assert place.state(sha) is State.SHADOW
    assert list(room.store.before()) == [LOCAL], "in shadow it is nobody's successor either"
    with pytest.raises(PolicyError, match=r"was rolled back \(rolled back by kim: jams\)"):
        room.activate(sha, "kim", "straight from shadow")
    assert room.shadowing is not None, "what is refused changes nothing"
    room.shadow(sha, "kim")
    room.shadow("", "kim")
    assert place.state(sha) is State.ROLLED_BACK
    assert list(room.store.before()) == [LOCAL]
    with pytest.raises(PolicyError, match=r"was rolled back \(rolled back by kim: jams\)"):
        room.activate(sha, "kim", "after shadow")
    room.activate(sha, "kim", "to be sure", again=True)
    assert place.state(sha) is State.ACTIVE and list(room.store.before()) == [first, LOCAL]


def test_one_that_was_never_rolled_back_is_loaded_after_shadow_and_rolled_back_when_it_fails_there(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, sha = place.room, place.load(place.versions.stubborn(1))
    room.shadow(sha, "kim")
    room.shadow("", "kim")
    assert place.state(sha) is State.LOADED
    room.shadow(sha, "kim")
    assert room.shadowing is not None
    _object(monkeypatch, room.shadowing)
    room.decide([])
    assert place.state(sha) is State.ROLLED_BACK and room.shadowing is None
    place.restart()
    assert place.state(sha) is State.ROLLED_BACK, "though housekeeping never wrote it"
    assert place.room.store.versions[sha].reason == "failed in shadow: too wild"


def test_what_takes_over_is_no_longer_in_shadow(place: Place) -> None:
    room, first = place.room, place.room.store.site
    place.charge(place.load(place.versions.stubborn(1)))
    room.shadow(first, "kim")
    room.roll_back("kim", "jams")
    assert place.in_charge == "first" and room.shadowing is None
    assert place.state(first) is State.ACTIVE


@pytest.mark.parametrize("rolled_back", [False, True])
def test_no_shadow_survives_a_restart(place: Place, rolled_back: bool) -> None:
    sha = place.load(place.versions.stubborn(1))
    if rolled_back:
        place.charge(sha)
        place.room.roll_back("kim", "jams")
    place.room.shadow(sha, "kim")
    place.restart()
    assert place.room.shadowing is None
    assert place.state(sha) is (State.ROLLED_BACK if rolled_back else State.LOADED)


def test_a_shadow_that_an_older_release_wrote_down_is_loaded(place: Place) -> None:
    sha = place.load(place.versions.stubborn(1))
    history = place.stored(sha).with_name("policies.json")
    table = json.loads(history.read_text())
    for row in table["versions"]:
        row["state"] = "shadow" if row["sha256"] == sha else row["state"]
    del table["audited"]
    history.write_text(json.dumps(table))
    place.restart()
    assert place.state(sha) is State.LOADED


def _truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flipped(content: bytes) -> bytes:
    return content[:-60] + bytes([content[-60] ^ 0x10]) + content[-59:]


def _in_its_model(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _passing_for_encrypted(content: bytes) -> bytes:
    at = content.index(b"PK\x01\x02") + 8
    return content[:at] + bytes([content[at] | 1]) + content[at + 1 :]


@pytest.mark.parametrize("damage", [_truncated, _flipped, _in_its_model, _passing_for_encrypted])
def test_loading_it_again_repairs_a_damaged_copy(place: Place, damage: Callable[[bytes], bytes]) -> None:
    bundle = place.versions.stubborn(1)
    sha = place.load(bundle)
    stored = place.stored(sha)
    stored.write_bytes(damage(stored.read_bytes()))
    with pytest.raises(PolicyError, match=r"damaged|hash|neither"):
        place.room.activate(sha, "kim", "try")
    assert place.load(bundle) == sha
    place.room.activate(sha, "kim", "try")
    assert place.in_charge == "stubborn"


def test_what_was_set_aside_as_damaged_comes_back_when_loaded_again_but_no_roll_back_is_cleared_so(
    place: Place,
) -> None:
    bundle = place.versions.stubborn(1)
    sha = place.load(bundle)
    place.charge(sha)
    place.stored(sha).write_bytes(b"PK")
    place.restart()
    assert place.state(sha) is State.ROLLED_BACK and place.in_charge == "first"
    place.load(bundle)
    assert place.state(sha) is State.LOADED
    place.charge(sha)
    place.load(bundle)
    assert place.state(sha) is State.ACTIVE, "loading again changes nothing about one in charge"
    place.room.roll_back("kim", "jams")
    place.stored(sha).unlink()
    place.load(bundle)
    assert place.state(sha) is State.ROLLED_BACK and place.stored(sha).exists()


def test_a_roll_back_waits_for_no_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    seat = place.charge(place.load(place.versions.stubborn(1)))
    _object(monkeypatch, seat)
    held = Held()

    def slow(path: Path, text: str) -> bool:
        held.wait()
        return False

    monkeypatch.setattr("stopline_controller.policy_store.write_whole", slow)
    _at_once(lambda: place.room.decide([]))
    assert place.in_charge == "first" and not held.begun.is_set(), "nothing is written in control"
    assert place.room.active is not None
    _object(monkeypatch, place.room.active)
    with meanwhile(place.room.tidy, held):
        _at_once(lambda: place.room.decide([]))
        assert place.in_charge == "local plans"
    assert place.room.store.unsaved
    assert "the policy's history cannot be written" in " ".join(place.controller.alarms.texts)
    monkeypatch.undo()
    place.room.tidy()
    assert not place.room.store.unsaved and not any(
        "history" in text for text in place.controller.alarms.texts
    )


def test_what_changes_while_the_history_is_written_is_written_next(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = place.load(place.versions.stubborn(1))
    seat = place.charge(sha)
    _object(monkeypatch, seat)
    held = Held()

    def slow(path: Path, text: str) -> bool:
        held.wait()
        return True

    monkeypatch.setattr("stopline_controller.policy_store.write_whole", slow)
    with meanwhile(lambda: place.load(place.versions.stubborn(2, name="third")), held):
        place.room.decide([])
    monkeypatch.undo()
    assert place.room.store.unsaved
    place.room.tidy()
    written = json.loads(place.stored(sha).with_name("policies.json").read_text())
    assert {row["name"]: row["state"] for row in written["versions"]}["stubborn"] == "rolled back"


def test_a_roll_back_waits_for_no_model(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    first = place.room.store.site
    seat = place.charge(place.load(place.versions.stubborn(1)))
    place.room._ready.clear()
    held = Held()

    def slow(bundle: Bundle, plans: list[object]) -> PolicyHost:
        held.wait()
        return host_bundle(bundle, plans)  # type: ignore[arg-type]  # handed on as they come

    monkeypatch.setattr("stopline_controller.policy_room.host_bundle", slow)
    _object(monkeypatch, seat)
    with meanwhile(place.room.tidy, held):
        _at_once(lambda: place.room.decide([]))
        assert place.in_charge == "local plans", "who is not ready takes nothing over"
    assert place.state(first) is State.LOADED


def test_a_change_is_on_disk_before_it_is_answered(place: Place) -> None:
    sha = place.load(place.versions.stubborn(1))
    history = place.stored(sha).with_name("policies.json")

    def written() -> dict[str, str]:
        return {row["name"]: row["state"] for row in json.loads(history.read_text())["versions"]}

    assert written() == {"first": "active", "stubborn": "loaded"}
    place.room.activate(sha, "kim", "try")
    assert written() == {"first": "loaded", "stubborn": "active"}
    place.room.roll_back("kim", "jams")
    assert written() == {"first": "active", "stubborn": "rolled back"}


def test_a_kill_before_the_history_is_written_forgets_no_roll_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = place.load(place.versions.stubborn(1))
    _object(monkeypatch, place.charge(sha))
    place.room.decide([])
    assert place.room.store.unsaved
    alarm = place.room.store.alarm
    place.restart()
    assert place.in_charge == "first" and place.state(sha) is State.ROLLED_BACK
    assert place.room.store.versions[sha].reason == "too wild"
    assert alarm and place.room.store.alarm == alarm and alarm in place.controller.alarms.texts
    assert list(place.room.store.before()) == [LOCAL]
    place.room.activate(sha, "kim", "to be sure", again=True)
    changes = list(place.room.store.charge)
    place.restart()
    assert place.state(sha) is State.ACTIVE
    assert place.room.store.charge == changes, "what the history knows is not taken in twice"
    assert place.room.store.alarm == ""


def test_what_is_usual_can_be_kept_while_control_learns() -> None:
    baseline = Baseline()

    class Learning(Usual):
        """Lets a window of another junction and of another flow come in while it is copied."""

        def __iter__(self) -> Iterator[float]:
            baseline.learn("B", Window("local", 300.0, 60.0, 10))
            baseline.learn("A", Window("local", 300.0, 60.0, 90))
            return super().__iter__()

    baseline._usual["A"] = {0: Learning(2, 5.0, 1.0), 1: Usual(3, 6.0, 1.0)}
    assert baseline.table() == {"A": {"0": [2, 5.0, 1.0], "1": [3, 6.0, 1.0]}}
    assert set(baseline.table()) == {"A", "B"}
