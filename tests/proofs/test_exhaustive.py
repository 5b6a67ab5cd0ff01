"""A seeded sample of the exhaustive search, and what it says when rule book or guard are wrong."""

from __future__ import annotations

import random
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from stopline_signals import Engine, EngineState, Guard, Verdict
from stopline_signals.transition import PERMISSIVE, Transitions
from tests.proofs._kept import Kept
from tests.proofs.exhaustive import EVERY_TIME, NINE_TIMES, Broken, Job, check, main, proven, sample
from tests.proofs.graphs import NO_EDGES, Times, conflict_graphs, crossing, permissive, plain
from tests.proofs.search import NOW, RESTART, Lamps, Search, Unsafe

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


@pytest.mark.parametrize(("guarded", "turn"), [(True, False), (True, True), (False, True)])
def test_normal_forms_answer_as_their_states_do(guarded: bool, turn: bool) -> None:
    """A state and its normal form meet the same requests and calls; what they answer has one normal form."""
    three = frozenset({(0, 1), (0, 2), (1, 2)})
    plan = permissive(3, three, Times(2, 2, 1), (0, 1)) if turn else plain(3, three, Times(2, 1, 2))
    search, rng = Search(crossing(plan, 2), (), guarded=guarded), random.Random(5)
    state, calls = search.engine.start(37, 1), 0
    for _ in range(3000):
        normal = search.normal(state)
        assert search.normal(normal) == normal
        verdicts = search.verdicts(state)
        assert search.verdicts(normal) == verdicts
        calls = rng.choice((calls, calls, rng.randrange(8)))
        request = rng.choice([verdict for verdict in verdicts if verdict < RESTART])
        after = search.engine.advance(state, request, calls, state.now + 1).state
        same = search.engine.advance(normal, request, calls, NOW + 1).state
        assert search.normal(same) == search.normal(after)
        # Without the guard nobody's waiting is searched: see `Search`.
        state = after if guarded else after._replace(waiting_since=(-1,) * 3, called=0)


def test_a_normal_form_that_forgets_too_much_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Search._normal_lamps

    def forgetful(self: Search, state: EngineState) -> Lamps:
        stage, settled_at, aspects, _, ended, pending = sound(self, state)
        return stage, settled_at, aspects, (NOW,) * 3, ended, pending

    monkeypatch.setattr(Search, "_normal_lamps", forgetful)
    with pytest.raises(AssertionError):
        test_normal_forms_answer_as_their_states_do(guarded=True, turn=False)


def test_what_was_found_is_kept_until_the_code_changes(tmp_path: Path) -> None:
    code = tmp_path / "engine.py"
    code.write_text("a = 1\n", encoding="utf-8")
    first = Kept(tmp_path / "kept", [code])
    first.put(job(), {"states": 7})
    with first.path.open("a", encoding="utf-8") as file:
        file.write('["cut sho')
    again = Kept(tmp_path / "kept", [code])
    assert again.get(job()) == {"states": 7}
    assert again.get(job(calls=(1,))) is None
    code.write_text("a = 2\n", encoding="utf-8")
    assert Kept(tmp_path / "kept", [code]).get(job()) is None
    assert all(path.exists() for path in proven())
