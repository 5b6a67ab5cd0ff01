"""The seam every signal controller plugs into: rules, trained bundles and third parties alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from stopline_signals.plan import SignalPlan
from stopline_signals.view import JunctionView

__all__ = ["ABSTAIN", "JunctionView", "Policy", "allowed_stages"]

ABSTAIN = -1
"""Returned in place of a stage when the policy has no opinion: the stage in force is kept."""


@runtime_checkable
class Policy(Protocol):
    """Chooses one allowed stage per junction every ``decision_interval`` seconds."""

    name: str
    decision_interval: float
    """Seconds between two calls of ``decide``."""

    def reset(self, plans: Sequence[SignalPlan]) -> None:
        """Forget everything and prepare for these junctions; raises when one cannot be served."""
        ...

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        """Return one stage index per view: an allowed one, or ``ABSTAIN``."""
        ...


def allowed_stages(allowed: int) -> list[int]:
    """The indices of the bits set in a mask of stages, lowest first."""
    return [stage for stage in range(allowed.bit_length()) if allowed >> stage & 1]
