"""The published fault table is the committed result, and the result is what was promised."""

from __future__ import annotations

import json

from stopline_hil.faults import FAULTS
from tests.proofs.faults_cabinets_page import PAGE, RESULT, page


def test_the_page_is_made_of_the_committed_result() -> None:
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    assert PAGE.read_text(encoding="utf-8") == page(result), "run python -m tests.proofs.faults_cabinets_page"


def test_the_committed_result_keeps_what_was_promised() -> None:
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    cases = [case for case in result["cases"] if case["name"] != "bystander"]
    for protocol in ("modbus", "ntcip"):
        names = {case["name"] for case in cases if case["protocol"] == protocol}
        assert len(names) >= 25
        assert names == {row.name for row in FAULTS.values() if protocol in row.protocols} - {"none"}
    assert result["passed"]
    assert all(case["violations"] == 0 and case["stuck"] == 0 for case in result["cases"])
    assert all(case["time_to_safe_s"] <= case["backup_s"] + 0.5 for case in result["cases"])
    assert all(case["recovery_s"] >= 0 for case in result["cases"])
