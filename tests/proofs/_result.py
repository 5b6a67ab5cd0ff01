"""The head every committed result has: what ran, where, for how long, on which commit."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.proofs._table import ROOT


class Stopwatch:
    """Wall and CPU time since it was made, children's CPU time included, and the commit it was made on."""

    def __init__(self, proven: tuple[str, ...] = ()) -> None:
        """Start; `proven` are the files that count for whether the commit has changes, if not all."""
        self._wall, self._cpu = time.monotonic(), _cpu()
        self.commit = commit(proven) if proven else commit()

    @property
    def wall(self) -> float:
        """Seconds on the wall."""
        return round(time.monotonic() - self._wall, 1)

    @property
    def cpu(self) -> float:
        """Seconds of CPU."""
        return round(_cpu() - self._cpu, 1)


def write_result(path: Path, command: str, watch: Stopwatch, figures: Mapping[str, Any]) -> None:
    """Write a proof's figures with the commit, date, command and machine they come from."""
    head = {
        "command": command,
        "commit": watch.commit,
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "wall_seconds": watch.wall,
        "cpu_seconds": watch.cpu,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**head, **figures}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def commit(paths: tuple[str, ...] = ("signals", "hil/stopline_mmu", "tests/proofs/*.py")) -> str:
    """The commit of the working tree, marked when what is proven differs from it."""
    changed = _git("status", "--porcelain", "--", *paths)
    head = _git("rev-parse", "HEAD")
    return f"{head} with changes" if changed else head


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
