"""The quick rows of the controller's fault table, and that its page says what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.proofs._table import PROOFS
from tests.proofs.controller_faults import FAULTS, Fault, Missing
from tests.proofs.controller_rig import LIMIT_S
from tests.proofs.faults_controller import run
from tests.proofs.faults_controller_page import page

QUICK = [fault for fault in FAULTS if fault.quick]


@pytest.mark.parametrize("fault", QUICK, ids=[fault.name for fault in QUICK])
def test_it_holds_in_short(tmp_path: Path, fault: Fault) -> None:
    try:
        row = run(fault, tmp_path, fault.quick)
    except Missing as missing:
        pytest.skip(f"this machine lacks {missing}")
    assert row["to_safe_s"] <= LIMIT_S + 1.0


def test_the_page_is_made_of_the_result(root: Path) -> None:
    proof = next(proof for proof in PROOFS if proof.name == "controller-faults")
    result = json.loads(proof.path.read_text(encoding="utf-8"))
    assert [row["fault"] for row in result["rows"]] == [fault.name for fault in FAULTS]
    committed = (root / "docs" / "faults_controller.md").read_text(encoding="utf-8")
    assert committed == page(result), "run python -m tests.proofs.faults_controller_page"
    for row in result["rows"]:
        assert row["violations"] == 0 and row["records_lost"] == 0 and row["chain_intact"], row["fault"]
