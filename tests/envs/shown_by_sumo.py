"""What SUMO itself shows: its lamps second by second, from a run without traffic."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from stopline_envs.generate.sumo_tools import run_binary


def states_by_second(net: Path, additional: Sequence[Path], tls: str, end: int, folder: Path) -> list[str]:
    """The signal's state in each second from 0 to `end`, as SUMO writes it down."""
    watch, out = folder / f"{tls}.watch.xml", folder / f"{tls}.states.xml"
    watch.write_text(
        f'<a><timedEvent type="SaveTLSStates" source="{tls}" dest="{out}"/></a>', encoding="utf-8"
    )
    files = ",".join(str(path) for path in (*additional, watch))
    options = {"net-file": net, "additional-files": files, "begin": 0, "end": end, "step-length": 1}
    run_binary("sumo", options, ["--no-step-log", "--no-warnings"])
    found = {float(e.get("time", "")): e.get("state", "") for e in ElementTree.parse(out).iter("tlsState")}
    return [found[second] for second in range(end)]


def green_starts(states: Sequence[str]) -> dict[int, list[int]]:
    """Link -> the seconds at which it turns green, the first second left out."""
    starts: dict[int, list[int]] = {}
    for second in range(1, len(states)):
        for link, (before, now) in enumerate(zip(states[second - 1], states[second], strict=True)):
            if now in "gG" and before not in "gG":
                starts.setdefault(link, []).append(second)
    return starts
