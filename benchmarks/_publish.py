"""Keep a benchmark's figures as the committed result: `python -m benchmarks._publish NAME [--commit HASH]`.

Takes runs/bench/NAME.json, which `python -m benchmarks NAME` left, and writes results/NAME.json with the
command, the commit that was measured (by default HEAD) and the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def main() -> int:
    """Write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks._publish", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--commit", help="what was measured, if not HEAD")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "bench", help="folder of NAME.json")
    parser.add_argument("--note", help="what a reader should know about this run")
    options = parser.parse_args()
    figures = json.loads((options.out / f"{options.name}.json").read_text(encoding="utf-8"))
    result = {
        "command": f"python -m benchmarks {options.name}",
        "commit": options.commit or _head(),
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        **({"note": options.note} if options.note else {}),
        "figures": figures,
    }
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    (RESULTS / f"{options.name}.json").write_text(text, encoding="utf-8")
    return 0


def _head() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
