"""Break a real controller in every way of the table: `python -m tests.proofs.faults_controller [NAME ...]`.

Each fault meets a `stopline serve` process of its own on virtual Modbus cabinets with conflict monitors. It
holds when the state reached is safe, there is no violation, and every plan that a cabinet accepted has its
record in an intact audit chain.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.proofs._result import Stopwatch, write_result
from tests.proofs.controller_faults import FAULTS, Fault, Missing
from tests.proofs.controller_rig import Rig

COMMAND = "python -m tests.proofs.faults_controller"


TRIES = 3
STOOD_STILL_S = 0.5
"""The cabinets share this machine; when they got no processor for that long, the try says nothing."""


def run(fault: Fault, folder: Path, seconds: float) -> dict[str, Any]:
    """Bring one fault about; returns its row, and AssertionError says what did not hold."""
    for number in range(1, TRIES + 1):
        own = folder / str(number)
        own.mkdir()
        rig = Rig(own)
        try:
            return _once(fault, rig, seconds)
        except AssertionError as problem:
            if number == TRIES or rig.stood_still_s < STOOD_STILL_S:
                raise
            print(f"{fault.name}: once more, the cabinets stood still ({problem})"[:200], flush=True)
    raise AssertionError("unreachable")


def _once(fault: Fault, rig: Rig, seconds: float) -> dict[str, Any]:
    with rig:
        outcome = fault.run(rig, seconds)
        row = {"fault": fault.name, "how": fault.how, **rig.judged(outcome)}
    assert row["violations"] == 0, f"{fault.name}: {row['violations']} violations"
    assert row["records_lost"] == 0, f"{fault.name}: {row['records_lost']} plans without a record"
    assert row["chain_intact"] and row["plans_accepted"] > 0, fault.name
    return row


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named faults, all by default; 0 when all hold."""
    names = [fault.name for fault in FAULTS]
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(names)}")
    parser.add_argument("--out", type=Path, help="where the figures go (JSON)")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(names)):
        parser.error(f"no fault called {', '.join(unknown)}")
    watch, rows, broken = Stopwatch(), [], 0
    for fault in FAULTS:
        if options.names and fault.name not in options.names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                rows.append(run(fault, Path(folder), fault.seconds))
                print(line(rows[-1]), flush=True)
            except (AssertionError, Missing) as problem:
                broken += 1
                print(f"{fault.name:22} BROKEN: {problem}", flush=True)
    if options.out and not broken:
        write_result(options.out, COMMAND, watch, {"rows": rows})
    return 1 if broken else 0


def line(row: Mapping[str, Any]) -> str:
    """A row for the terminal."""
    return (
        f"{row['fault']:22} {row['state']:46} safe after {row['to_safe_s']:4.1f} s, recovered after "
        f"{row['recovery_s']:4.1f} s; violations {row['violations']}, records lost {row['records_lost']} "
        f"of {row['plans_accepted']} plans"
    )


if __name__ == "__main__":
    sys.exit(main())
