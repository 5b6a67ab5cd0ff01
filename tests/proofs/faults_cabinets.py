"""The fault table of wires and cabinets: the shipped campaign, every fault at both protocols.

`python -m tests.proofs.faults_cabinets` runs what `stopline hil run faults` runs; docs/faults_cabinets.md is
made of its committed result.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stopline_hil.campaigns import CaseResult, read_campaign, report_of, run_campaign, to_table
from stopline_hil.reports import write_reports
from tests.proofs._result import Stopwatch, write_result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 0 when every requirement of every case is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.faults_cabinets", description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--reports", type=Path, help="folder for the HTML report and the controllers' logs")
    parser.add_argument("--rate", type=float, help="in place of the campaign's; 1 on a busy machine")
    options = parser.parse_args(arguments)
    campaign = read_campaign("faults")
    campaign = campaign if options.rate is None else campaign.at(options.rate)
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.reports or Path(temporary)
        result = asyncio.run(run_campaign(campaign, folder, _say))
        write_reports(report_of(result), folder)
    if options.out:
        write_result(options.out, "python -m tests.proofs.faults_cabinets", watch, to_table(result))
    print("every requirement is met" if result.passed else "NOT every requirement is met")
    return 0 if result.passed else 1


def _say(case: CaseResult) -> None:
    wrong = "; ".join(f"{v.requirement}: {v.detail}" for v in case.verdicts if not v.met)
    print(f"{'holds ' if case.passed else 'BROKEN'} {case.name} ({case.protocol}): {wrong}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
