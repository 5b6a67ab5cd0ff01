"""`stopline demo` as a user runs it: the contract of summary.json, a real controller, no violation."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RUN = "from stopline_cli.main import app; app()"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path, str]:
    out = tmp_path_factory.mktemp("demo")
    arguments = [
        "demo",
        "--begin",
        "1170",
        "--seconds",
        "180",
        "--rate",
        "6",
        "--seeds",
        "2",
        "--out",
        str(out),
    ]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((out / "summary.json").read_text()), out, done.stdout


@pytest.mark.timeout(180)
def test_the_summary_keeps_its_contract(demo: tuple[dict[str, Any], Path, str]) -> None:
    summary, _, _ = demo
    assert list(summary["controllers"]) == ["fixed", "actuated", "bundle"]
    for row in summary["controllers"].values():
        assert len(row["delay_s"]["per_seed"]) == 2
        assert row["delay_s"]["ci95"][0] <= row["delay_s"]["mean"] <= row["delay_s"]["ci95"][1]
        assert sum(row["violations"]["per_seed"]) == 0
    assert len(summary["bundle_sha256"]) == 64
    assert summary["clock_rate"] == 6
    assert 0 < summary["decision_ms"]["p50"] <= summary["decision_ms"]["p99"]


def test_every_audited_decision_is_an_accepted_plan(demo: tuple[dict[str, Any], Path, str]) -> None:
    summary, _, _ = demo
    assert summary["decisions"] == summary["plans_accepted"] > 9 * 180 / 10
    assert summary["plans_refused"] == 0
    assert summary["mmu_violations"] == 0


def test_the_ambulance_and_the_operator_were_served(demo: tuple[dict[str, Any], Path, str]) -> None:
    summary, _, _ = demo
    assert summary["emergency"]["signals"] >= 3
    assert summary["emergency"]["answers"]["green"] > 0
    assert summary["override"]["answer"] in {"ACCEPTED", "PENDING_SAFE_POINT"}
    assert summary["override"]["in_force_after_s"] >= 0
    assert summary["override"]["policy_back_after_s"] >= 0


def test_it_leaves_a_report_and_says_so(demo: tuple[dict[str, Any], Path, str]) -> None:
    _, out, printed = demo
    report = (out / "report.html").read_text()
    assert report.count("data:image/png;base64,") == 2
    assert "http://" not in report
    assert (out / "ambulance.png").stat().st_size > 5000
    assert "plans accepted" in printed
    assert (out / "site" / "site.toml").is_file()
