"""Who may decide at a junction, and what they ask for."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from stopline_cabinets.words import OWN_PATTERN, Kind
from stopline_signals.engine import KEEP


class Source(StrEnum):
    """A party that may want to decide; the site file orders them."""

    CABINET = "cabinet"
    RAIL = "rail"
    EMERGENCY = "emergency"
    CENTRE = "centre"
    TRANSIT = "transit"
    POLICY = "policy"
    LOCAL = "local"


DEFAULT_STACK = tuple(Source)
"""Highest first: what the cabinet does by itself is never fought, the local plan is what remains."""

CABINET_DECIDES = frozenset({Source.CABINET, Source.RAIL, Source.LOCAL})
"""Sources under which no stage is asked of the cabinet."""


GRACE = {Source.EMERGENCY: 1200, Source.CENTRE: 1200}
"""Tenths by which a source may keep a call waiting past its max red; others get none."""


class Proposal(NamedTuple):
    """What one source wants of one junction now."""

    source: Source
    stage: int = KEEP
    """Stage index, or KEEP for the one in force."""
    reason: str = ""
    holder: str = ""
    """The lease, vehicle or policy behind it."""
    kind: Kind = Kind.STAGES
    """With another kind than STAGES there is no stage."""
    pattern: int = OWN_PATTERN


class Order(NamedTuple):
    """What the cabinet is asked for: a stage or another kind of plan; groups to call and to omit (masks)."""

    stage: int
    kind: Kind = Kind.STAGES
    pattern: int = OWN_PATTERN
    calls: int = 0
    omits: int = 0
