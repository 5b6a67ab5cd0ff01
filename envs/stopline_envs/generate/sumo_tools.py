"""SUMO's own programs and scripts run as subprocesses, their output made identical from run to run."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from stopline_signals.errors import ScenarioError, SimulationError

_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)
_SCHEMA = re.compile(r'\s+xmlns:xsi="[^"]*"|\s+xsi:noNamespaceSchemaLocation="[^"]*"')


def sumo_home() -> Path:
    """The SUMO wheel's folder, without importing it; raises ScenarioError when it is not installed."""
    spec = importlib.util.find_spec("sumo")
    if spec is None or not spec.submodule_search_locations:
        raise ScenarioError("SUMO is not installed: pip install 'stopline[sim]'")
    return Path(next(iter(spec.submodule_search_locations)))


def run_binary(name: str, options: Mapping[str, object], flags: Sequence[str] = ()) -> str:
    """Run one of SUMO's programs (netconvert, duarouter, sumo...) and return what it printed.

    Options are written as `--key value`, booleans as SUMO's true and false. Raises SimulationError with the
    program's last words.
    """
    command = [str(sumo_home() / "bin" / name), *flags]
    for key, value in options.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        command += [f"--{key}", text]
    return _run(command, name)


def run_script(name: str, arguments: Sequence[str]) -> str:
    """Run a Python script of SUMO's tools folder (`tlsCycleAdaptation.py`) and return what it printed."""
    return _run([sys.executable, str(sumo_home() / "tools" / name), *arguments], name)


def strip_header(path: Path) -> None:
    """Take time stamps, paths and schema links out of a file SUMO wrote, so equal content is equal bytes."""
    text = path.read_text(encoding="utf-8")
    text = _SCHEMA.sub("", _COMMENT.sub("", text))
    path.write_text(re.sub(r"\n{2,}", "\n", text).strip() + "\n", encoding="utf-8")


def _run(command: list[str], name: str) -> str:
    environment = {**os.environ, "SUMO_HOME": str(sumo_home()), "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise SimulationError(f"{name} failed (exit {done.returncode}): {last}")
    return done.stdout + done.stderr
