"""How much of everything a virtual controller has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stopline_cabinets.ntcip.feeds import Feed
from stopline_cabinets.preempts import preempts_of
from stopline_hil.ntcip.phases import MAX_PHASES, Phases
from stopline_signals.plan import DetectorKind

PATTERNS = 16
SPLITS = 16
SEQUENCES = 2
FUNCTIONS = 8
ACTIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Numbers of phases, detectors and so on; `groups_of` turns them into bytes of eight."""

    detectors: int
    buttons: int
    overlaps: int
    preempts: int
    rings: int
    channels: int
    phases: int = MAX_PHASES

    @staticmethod
    def groups_of(count: int) -> int:
        """Bytes that a mask of so many takes, at least one."""
        return max(1, -(-count // 8))


def size_of(phases: Phases, feeds: Mapping[str, Feed]) -> Size:
    """What a plan and the detectors behind its zones need."""
    plan = phases.given
    return Size(
        detectors=max((max(feed.presence + feed.queue) for feed in feeds.values()), default=0),
        buttons=sum(detector.kind is DetectorKind.BUTTON for detector in plan.detectors),
        overlaps=len(phases.overlaps),
        preempts=len(preempts_of(plan)),
        rings=max(phases.ring_of.values()),
        channels=len(plan.groups),
    )
