"""A seeded sample of mutants dies under the directed tests; and how the driver names and judges them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.proofs._result import Stopwatch
from tests.proofs.mutation import Mutant, _difference, _judge, _readable, equivalents, lay_out, tried_on

SAMPLED = ("transition", "guard")


@pytest.mark.timeout(240)
def test_most_of_a_seeded_sample_is_noticed(tmp_path: Path) -> None:
    made = lay_out(tmp_path / "mutants", SAMPLED)
    chosen = set(random.Random(11).sample(sorted(made), 20))
    noticed = tried_on(tmp_path / "mutants", SAMPLED, sorted(chosen))
    assert noticed <= chosen
    unseen = [made[name] for name in sorted(chosen - noticed) if made[name].change not in equivalents()]
    assert len(unseen) <= 1, unseen


def test_a_mutant_is_known_by_what_it_changes() -> None:
    sound = ["def x_f__mutmut_orig(a):", "    if a > 1:", "        return a"]
    mutant = ["def x_f__mutmut_3(a):", "    if a >= 1:", "        return a"]
    assert _difference(sound, mutant) == ("if a > 1:", "if a >= 1:")
    other = ["def x_f__mutmut_1(a=2):", *sound[1:]]
    assert _difference(sound, other) == ("a):", "a=2):")
    assert _readable("guard", "xǁGuardǁ_nearest__mutmut_3") == "guard.Guard._nearest"
    assert _readable("guard", "x__groups_changed__mutmut_1") == "guard._groups_changed"
    assert _readable("engine", "x_shown_green__mutmut_1") == "engine.shown_green"


def test_every_equivalent_mutant_has_its_reason() -> None:
    assert all(len(reason.split()) > 4 for reason in equivalents().values())


def many(verdict: str, count: int) -> list[Mutant]:
    return [Mutant(f"{verdict}{n}", "guard.f", f"a{n}", verdict, verdict) for n in range(count)]


@pytest.mark.parametrize(("killed", "survived", "code"), [(95, 5, 0), (94, 6, 1), (0, 0, 1)])
def test_the_score_decides(killed: int, survived: int, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    tried = [*many("killed", killed), *many("survived", survived)]
    assert _judge(tried, Stopwatch(), None) == code
    assert f"{killed} of {killed + survived} mutants killed" in capsys.readouterr().out


def test_every_module_has_to_reach_the_score(capsys: pytest.CaptureFixture[str]) -> None:
    weak = [Mutant(f"weak{n}", "flash.g", f"b{n}", "survived", "survived") for n in range(2)]
    assert _judge([*many("killed", 998), *weak], Stopwatch(), None) == 1
    assert "flash 0.0%" in capsys.readouterr().out


def test_an_equivalent_that_no_mutant_matches_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.proofs.mutation.equivalents", lambda: {("guard.f", "x", "y"): "it is gone"})
    assert _judge(many("killed", 10), Stopwatch(), None) == 0
    assert _judge(many("killed", 10), Stopwatch(), None, whole=True) == 1
    assert "there is none" in capsys.readouterr().out


def test_an_equivalent_that_a_test_kills_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (wrong,) = many("killed", 1)
    monkeypatch.setattr("tests.proofs.mutation.equivalents", lambda: {wrong.change: "nobody can see it"})
    assert _judge([wrong, *many("killed", 99)[1:]], Stopwatch(), None) == 1
    assert "listed as equivalent" in capsys.readouterr().out
