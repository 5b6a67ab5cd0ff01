"""The plan files in the documentation are plans, and its table of rules is complete."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from stopline_signals import plan_from_table
from stopline_signals.verify import Rule, Severity, verify, worst


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs/plans.md").read_text(encoding="utf-8")


def test_every_example_is_a_plan_without_errors(page: str) -> None:
    examples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 2
    for text in examples:
        findings = verify(plan_from_table(tomllib.loads(text), "docs/plans.md"))
        assert worst(findings) < Severity.ERROR, "\n".join(map(str, findings))


def test_the_table_has_every_rule(page: str) -> None:
    rows = re.findall(r"^\| ([a-z ]+) \|", page, re.MULTILINE)
    assert set(rows) - {"rule"} == {rule.value for rule in Rule}
