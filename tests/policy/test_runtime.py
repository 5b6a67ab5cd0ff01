"""The inference library reports to nobody."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = "from stopline_policy import SHIPPED, BundlePolicy; BundlePolicy.load(SHIPPED)"
BARE = "import onnxruntime"
SILENCED = ("CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME")
"""Variables that change whether or where the library reports by itself."""


def left_at_home(code: str, home: Path) -> list[str]:
    """Names of the files that a process of its own leaves in its user's home."""
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in SILENCED}
    subprocess.run([sys.executable, "-c", code], env={**environment, "HOME": str(home)}, check=True)
    return [path.name for path in home.rglob("*") if path.is_file()]


def test_a_policy_leaves_no_identity_and_no_events(tmp_path: Path) -> None:
    assert "deviceid" in left_at_home(BARE, tmp_path / "bare"), "what the library does by itself"
    assert left_at_home(OURS, tmp_path / "ours") == []


def test_nothing_loads_the_library_past_the_module_that_silences_it() -> None:
    packages = ("signals", "envs", "agents", "controller", "hil", "cli", "benchmarks")
    loading = re.compile(r"^\s*(import onnxruntime|from onnxruntime)", re.MULTILINE)
    found = [
        path.relative_to(ROOT).as_posix()
        for package in packages
        for path in (ROOT / package).rglob("*.py")
        if loading.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["controller/stopline_policy/runtime.py"]
