"""Processor time of child processes, to hold one against another: machines differ by four times and more."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping


def seconds_of(program: str, environment: Mapping[str, str] | None = None) -> float:
    """Processor time (s) of a Python program, start and end of the interpreter included; it must succeed."""
    command = [sys.executable, "-c", program]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return usage.ru_utime + usage.ru_stime
