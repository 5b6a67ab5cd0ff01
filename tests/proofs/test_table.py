"""The table of proofs: every row can be run, and every committed result is one of its rows."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

from tests.proofs.__main__ import main
from tests.proofs._table import PROOFS, RESULTS, Proof


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_a_row_names_a_module_that_is_there(root: Path, proof: Proof) -> None:
    assert importlib.util.find_spec(proof.module[0]) is not None
    for path in proof.module[1:]:
        assert not path.startswith("tests/") or (root / path).exists()


def test_names_are_unique() -> None:
    assert len({proof.name for proof in PROOFS}) == len(PROOFS)


def test_every_committed_result_belongs_to_a_row_and_names_its_commit() -> None:
    rows = {proof.path.name for proof in PROOFS if proof.result}
    for path in RESULTS.glob("*.json"):
        assert path.name in rows
        result = json.loads(path.read_text(encoding="utf-8"))
        assert {"command", "commit", "date", "cores", "wall_seconds"} <= result.keys()


def test_an_unknown_proof_is_refused_with_the_names_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["exhastive"])
    assert "exhaustive" in capsys.readouterr().err


def test_the_list_says_what_is_claimed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert PROOFS[0].claim in capsys.readouterr().out


def test_a_broken_claim_is_reported_after_the_others_ran(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (Proof("wrong", "nothing is said", ("no_such_proof",)), Proof("right", "it is", ("this",)))
    monkeypatch.setattr("tests.proofs.__main__.PROOFS", rows)
    assert main([]) == 1
    said = capsys.readouterr().out
    assert "BROKEN wrong" not in said.split("\n")[0]
    assert "BROKEN wrong" in said and "holds  right" in said


def test_make_prove_runs_the_table(root: Path, tmp_path: Path) -> None:
    command = ["make", "--dry-run", f"VENV={tmp_path}", "prove"]
    planned = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert "-m tests.proofs" in planned
