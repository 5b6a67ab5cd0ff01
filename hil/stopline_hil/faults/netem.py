"""The kernel's own impairments: a network namespace whose loopback delays, loses and reorders (tc netem).

Everything a campaign starts then talks over that loopback, and nothing else on the host is touched.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence

from stopline_signals.errors import StoplineError

INSIDE = "STOPLINE_NETEM"
"""Environment variable that holds the settings in the namespace."""
_SCRIPT = 'ip link set lo up && tc qdisc add dev lo root netem {settings} && exec "$@"'
_WORD = re.compile(r"[A-Za-z0-9.%]+")


class NetemError(StoplineError):
    """Settings netem does not take, or a host without it."""


def inside() -> str:
    """The settings in force where this process runs; empty outside."""
    return os.environ.get(INSIDE, "")


def wrapped(settings: str, command: Sequence[str]) -> list[str]:
    """The command in a namespace of its own with these settings, as `delay 20ms 10ms loss 1%`.

    Raises:
        NetemError: for anything but words and numbers.
    """
    words = settings.split()
    if not words or not all(_WORD.fullmatch(word) for word in words):
        raise NetemError(f"netem {settings!r}: words and numbers only, as in 'delay 20ms 10ms loss 1%'")
    return ["unshare", "--net", "sh", "-c", _SCRIPT.format(settings=" ".join(words)), "sh", *command]


def environment(settings: str) -> Mapping[str, str]:
    """The environment for a command that is wrapped."""
    return {**os.environ, INSIDE: settings}


def why_not(settings: str) -> str:
    """Why this host cannot do it; empty when it can. Tried, not guessed: modules and rights differ."""
    try:
        tried = subprocess.run(
            wrapped(settings, ["true"]), capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = tried.stderr.strip().splitlines()
    return "" if tried.returncode == 0 else (said[-1] if said else f"exit code {tried.returncode}")
