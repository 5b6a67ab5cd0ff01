"""How long each hop of the loop takes: detector, wire, decision, wire, lamp.

All moments are of one host's monotonic clock: the street's edges and the lamps are seen at the cabinet, the
frames at the wire before it, the decision is the controller's audit record.
"""

from __future__ import annotations

import bisect
import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from stopline_hil.campaigns.record import Moment

DETECTOR_WIRE = "detector edge to wire"
WIRE_DECISION = "wire to decision"
DECISION_WIRE = "decision to wire"
WIRE_LAMP = "wire to lamp"
EDGE_PLAN = "detector edge to the plan of the first decision that used it"
HOPS = (DETECTOR_WIRE, WIRE_DECISION, DECISION_WIRE, WIRE_LAMP, EDGE_PLAN)

FOLLOWS_S = 0.5
"""A lamp that changes later than this after a plan has not changed because of it (cabinet seconds)."""


def hops(moments: Sequence[Moment], decisions: Sequence[float], rate: float) -> Mapping[str, list[float]]:
    """Samples in wall-clock ms by hop; `decisions` are monotonic seconds, `rate` the cabinet's speed."""
    at = {what: [moment.at for moment in moments if moment.what == what] for what in _KINDS}
    found: dict[str, list[float]] = {hop: [] for hop in HOPS}

    def note(hop: str, begin: float, end: float | None, within: float = float("inf")) -> None:
        if end is not None and end - begin <= within:
            found[hop].append(1000 * (end - begin))

    for edge in at["edge"]:
        news = _next(at["news"], edge)
        note(DETECTOR_WIRE, edge, news)
        if news is not None and (decision := _next(decisions, news)) is not None:
            note(EDGE_PLAN, edge, _next(at["wish"], decision))
    for decision in decisions:
        news = _last(at["news"], decision)
        if news is not None:
            note(WIRE_DECISION, news, decision)
        note(DECISION_WIRE, decision, _next(at["wish"], decision), within=1.0)
    for wish in at["wish"]:
        note(WIRE_LAMP, wish, _next(at["lamps"], wish), within=FOLLOWS_S / rate)
    return found


def decisions_in(state: Path) -> Mapping[str, list[float]]:
    """Moments (monotonic s) of the decisions in a controller's audit log on this host, by junction."""
    offset = time.time() - time.monotonic()
    found: dict[str, list[float]] = {}
    connection = sqlite3.connect(f"file:{state / 'audit.sqlite'}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT junction, wall_us, detail FROM audit WHERE kind = 'decision'")
        for junction, wall_us, detail in rows:
            if json.loads(detail)["source"] == "policy":
                found.setdefault(junction, []).append(wall_us / 1e6 - offset)
    finally:
        connection.close()
    return found


_KINDS = ("edge", "news", "wish", "lamps")


def _next(ordered: Sequence[float], after: float) -> float | None:
    at = bisect.bisect_right(ordered, after)
    return ordered[at] if at < len(ordered) else None


def _last(ordered: Sequence[float], before: float) -> float | None:
    at = bisect.bisect_left(ordered, before)
    return ordered[at - 1] if at else None
