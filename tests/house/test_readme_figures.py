"""The README's numbers are those of the committed result."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_readme_states_the_committed_figures() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "readme_figures"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (
        "run `scripts/readme_figures` after a new benchmarks/results/demo.json or env_overhead.json"
    )
