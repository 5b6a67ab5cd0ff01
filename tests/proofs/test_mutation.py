"""A seeded sample of mutants dies under the directed tests; and how the driver names and judges them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proofs._result import Stopwatch
from tests.proofs.mutation import Mutant, _difference, _judge, _readable, equivalents, quick_sample

SAMPLED = ("transition", "guard")


@pytest.mark.timeout(240)
def test_most_of_a_seeded_sample_is_noticed_by_the_recorded_runs_alone(tmp_path: Path) -> None:
    chosen, noticed = quick_sample(tmp_path, SAMPLED, 20, seed=11)
    assert len(chosen) == 20
    assert noticed <= chosen
    assert len(noticed) >= 16, sorted(chosen - noticed)


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


def test_an_equivalent_that_a_test_kills_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (wrong,) = many("killed", 1)
    monkeypatch.setattr("tests.proofs.mutation.equivalents", lambda: {wrong.change: "nobody can see it"})
    assert _judge([wrong, *many("killed", 99)[1:]], Stopwatch(), None) == 1
    assert "listed as equivalent" in capsys.readouterr().out
