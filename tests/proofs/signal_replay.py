"""signal-replay plays minutes into the virtual NTCIP cabinet in real time and compares what it showed."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.hil.test_hil_signal_replay import compared, recording, write
from tests.proofs._result import Stopwatch, write_result
from tests.proofs._table import ROOT

PYTHON = ROOT / ".venv-foreign" / "measures" / "bin" / "python"


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, replay, compare; 0 when signal-replay is content with the cabinet and not with another one."""
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.signal_replay", description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args(arguments)
    if not PYTHON.exists():
        print("there is no .venv-foreign/measures: run scripts/foreign-environments measures")
        return 1
    watch = Stopwatch()
    busy = round(600 * options.minutes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(recording(busy=busy), folder / "recorded.csv")
        write(recording(busy=busy, min_green=30), folder / "another.csv")
        print(f"{options.minutes:g} minutes in real time", flush=True)
        same, another = asyncio.run(compared(PYTHON, ROOT, folder, 1.0))
    holds = not same["exceeds"] and another["exceeds"] and same["sent"][0] == same["sent"][1]
    for what, found in (("the cabinet", same), ("longer minimum greens", another)):
        print(
            f"{what}: {found['match']:.1f} % match, timing {found['timing']:.4f}, {found['why'] or 'content'}"
        )
    if options.out:
        figures = {"minutes": options.minutes, "cabinet": same, "longer minimum greens": another}
        write_result(options.out, "python -m tests.proofs.signal_replay", watch, figures)
    print("the same signals" if holds else "NOT the same signals")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
