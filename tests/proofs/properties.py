"""The properties of rule book and monitor on many examples: `python -m tests.proofs.properties`.

The same tests as in the suite, each with ten times its examples or five thousand, drawn at random instead of
the same ones every time. What fails is printed with the smallest example found, and kept by Hypothesis.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from tests.proofs._result import Stopwatch, write_result
from tests.proofs._table import RESULTS, ROOT

PATHS = ("tests/signals", "tests/mmu")
PROVEN = ("signals", "hil/stopline_mmu", *PATHS)
AT_LARGE = ("-m", "hypothesis", "--hypothesis-profile", "prove", "-p", "no:cacheprovider")
TIMEOUT_S = 3600


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and write the result; 0 when no property failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.properties", description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS / "properties.json", help="result file")
    parser.add_argument("--jobs", default="2", help="processes")
    parser.add_argument("--only", default="", help="only tests whose name has this, and no result is written")
    options = parser.parse_args(arguments)
    watch = Stopwatch(PROVEN)
    chosen = ("-k", options.only) if options.only else ()
    asked = _asked(chosen)
    failed, run = _run(options.jobs, chosen)
    figures = {
        "holds": not failed and run == len(asked) and run > 0,
        "properties": run,
        "examples": sum(asked),
        "failed": failed,
    }
    print(figures)
    if not options.only:
        write_result(options.out, "python -m tests.proofs.properties", watch, figures)
    return 0 if figures["holds"] else 1


class _Counter:
    """Notes the examples of each collected property; a state machine's are its courses."""

    def __init__(self) -> None:
        self.examples: list[int] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            test = getattr(item, "obj", None)
            own: settings | None = getattr(test, "_hypothesis_internal_use_settings", None)
            self.examples.append((own or settings()).max_examples)


def _asked(chosen: Sequence[str]) -> list[int]:
    """Examples of each property that is going to be run."""
    counter = _Counter()
    code = pytest.main(["--collect-only", "-qq", *AT_LARGE, *chosen, *_places()], plugins=[counter])
    if code != pytest.ExitCode.OK:
        raise SystemExit(f"the properties cannot be collected: pytest ended with {code}")
    return counter.examples


def _run(jobs: str, chosen: Sequence[str]) -> tuple[list[str], int]:
    """Run them; the names of those that failed, and how many were run."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", *AT_LARGE, *chosen, "-n", jobs]
        command += ["--timeout", str(TIMEOUT_S), f"--junit-xml={report}", *_places()]
        subprocess.run(command, cwd=ROOT, check=False)
        cases = list(ET.parse(report).getroot().iter("testcase"))
    failed = [case.get("name", "?") for case in cases if {"failure", "error"} & {part.tag for part in case}]
    return failed, len(cases)


def _places() -> list[str]:
    return [str(ROOT / path) for path in PATHS]


if __name__ == "__main__":
    sys.exit(main())
