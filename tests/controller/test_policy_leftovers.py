"""The policies' files: what a kill leaves of an upload, and what is learnt while they are written."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from stopline_controller import files, policy_traffic
from stopline_controller.alarms import Alarms
from stopline_controller.policy_store import PolicyStore
from stopline_controller.policy_traffic import Traffic
from stopline_controller.queue_delay import QueueMeter, Window
from stopline_controller.snapshots import Snapshot
from stopline_controller.sources import Source
from tests.controller.town import PLAN


def test_what_a_kill_left_of_an_upload_is_gone_after_the_next_start(tmp_path: Path) -> None:
    store = PolicyStore(tmp_path, None, Alarms())
    sent = store.upload()
    (Path(sent.name) / "sent.zip").write_bytes(b"PK half of it")
    (tmp_path / "abc.new").write_bytes(b"PK half of it")
    (tmp_path / "abc.zip").write_bytes(b"PK")
    (tmp_path / "of_somebody").mkdir()
    sent._finalizer.detach()  # type: ignore[attr-defined]  # a kill runs nothing at its end
    PolicyStore(tmp_path, None, Alarms())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["abc.zip", "of_somebody"]


def test_what_is_learnt_while_the_file_is_written_is_written_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "local_plan.json"
    traffic, written = Traffic({"A": PLAN}, 60.0, file), list[int]()
    write = files.write_whole

    def slow(path: Path, text: str) -> bool:
        written.append(len(json.loads(text).get("A", {})))
        if len(written) == 1:
            _learn(traffic, 2)
        return write(path, text)

    monkeypatch.setattr(policy_traffic, "write_whole", slow)
    _learn(traffic, 1)
    for _ in range(3):
        traffic.save()
    assert written == [1, 2], "and nothing is written without news"


def test_what_the_disk_refused_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "local_plan.json"
    traffic = Traffic({"A": PLAN}, 60.0, file)
    _learn(traffic, 1)
    with monkeypatch.context() as patch:
        patch.setattr(policy_traffic, "write_whole", lambda *_: False)
        traffic.save()
    assert not file.exists()
    traffic.save()
    assert file.exists()


def _learn(traffic: Traffic, load: int) -> None:
    """Let the local plan have had a window of so much traffic."""
    window = Window("local", 60.0, 10.0, 20 * load)
    traffic._meters["A"] = cast(QueueMeter, SimpleNamespace(take=lambda *_: window))
    ruling = SimpleNamespace(winner=SimpleNamespace(source=Source.LOCAL, holder=""))
    seen = SimpleNamespace(time=0, readings=())
    traffic.take(cast(Snapshot, SimpleNamespace(junction="A", seen=seen, ruling=ruling)))
