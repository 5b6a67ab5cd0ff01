"""A seeded sample of the exhaustive search, and what it says when rule book or guard are wrong."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from stopline_signals import Engine, Guard, Verdict
from stopline_signals.transition import PERMISSIVE, Transitions
from tests.proofs.exhaustive import EVERY_TIME, NINE_TIMES, Broken, Job, check, main, sample
from tests.proofs.graphs import NO_EDGES, Times, conflict_graphs, permissive, plain
from tests.proofs.search import Unsafe

PAIR = frozenset({(0, 1)})
TIMES = Times(2, 1, 1)


def job(**more: Any) -> Job:
    return Job(
        **{
            "part": "raw",
            "kind": "plain",
            "plan": plain(2, PAIR, TIMES),
            "calls": (0,),
            "guarded": False,
            **more,
        }
    )


def test_there_are_eighteen_graphs_on_up_to_four_groups() -> None:
    found = list(conflict_graphs(4))
    assert [sum(count == n for count, _ in found) for n in (1, 2, 3, 4)] == [1, 2, 4, 11]
    assert (4, NO_EDGES) in found


def test_the_nine_intervals_contain_every_pair_of_values() -> None:
    for first, second in permutations((0, 1, 2), 2):
        assert {(t[first], t[second]) for t in NINE_TIMES} == {(t[first], t[second]) for t in EVERY_TIME}


@pytest.mark.parametrize(("part", "count"), [("raw", 4), ("guarded", 2), ("paced", 12)])
def test_a_sample_is_safe_and_live(part: str, count: int) -> None:
    for chosen in sample(part, count, seed=7):
        assert check(chosen).states > 1


def test_the_command_counts_what_it_searched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--sample", "1", "--seed", "32"]) == 0
    assert "all: 3 searches" in capsys.readouterr().out


def test_a_stage_out_of_reach_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    legal = Engine.legal
    monkeypatch.setattr(
        Engine, "legal", lambda self, state: 1 << state.stage if state.stage == 1 else legal(self, state)
    )
    with pytest.raises(Broken, match="stage 0 is out of reach"):
        check(job())


def test_a_call_that_can_wait_for_ever_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = job(guarded=True, calls=(0, 1, 2, 3))
    assert 0 < check(guarded).waits <= check(guarded).promised
    monkeypatch.setattr(Guard, "decide", lambda self, state, request: Verdict(state.stage, None))
    with pytest.raises(Broken):
        check(guarded)


BREAKS: dict[str, tuple[type, str, Any, Job]] = {
    "greens are cut": (Engine, "legal", lambda self, state: (2 << self.all_red) - 1, job()),
    "clearances are forgotten": (Transitions, "_earliest_start", lambda self, *lamps: lamps[3], job()),
    "yellow is skipped": (Transitions, "ending", lambda self, group, end: [(end, group, 0)], job()),
    "turns are trapped": (
        Transitions, "ending_groups", lambda self, aspects, wanted: [
            g for g, aspect in enumerate(aspects) if aspect >= PERMISSIVE and wanted[g] < aspect
        ],
        job(plan=permissive(2, PAIR, TIMES, (0, 1))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_engine_is_found_unsafe(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, method, broken, chosen = BREAKS[name]
    check(chosen)
    monkeypatch.setattr(owner, method, broken)
    with pytest.raises(Unsafe):
        check(chosen)
