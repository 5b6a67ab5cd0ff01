"""A policy at work, in charge or in shadow: asked in batches, with its figures kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from stopline_controller.policies import PolicyHost
from stopline_controller.policy_watch import Limits, Watch
from stopline_controller.sources import Proposal
from stopline_policy.bundle import Bundle
from stopline_signals.engine import KEEP
from stopline_signals.view import JunctionView


class Agreement(NamedTuple):
    """Decisions of a shadow compared with those in force, and how many were the same."""

    compared: int = 0
    agreed: int = 0


class Seat:
    """One version's host, with a watch of its own."""

    def __init__(self, host: PolicyHost, bundle: Bundle | None, limits: Limits, junctions: int) -> None:
        self.host = host
        self.bundle = bundle
        self.watch = Watch(limits, junctions)
        self.agreement: dict[str, Agreement] = {}
        """In shadow, by junction."""

    @property
    def sha256(self) -> str:
        """The version."""
        return self.host.facts.bundle_sha256

    @property
    def name(self) -> str:
        """Its name."""
        return self.host.facts.name

    @property
    def holder(self) -> str:
        """What its proposals name as their holder."""
        return self.host.facts.name

    def ask(self, views: Sequence[JunctionView]) -> list[Proposal | None]:
        """Let it decide."""
        began, failures = time.perf_counter(), self.host.failures
        proposals = self.host.decide(views)
        took_ms = (time.perf_counter() - began) * 1000
        self.watch.batch(took_ms, len(views), self.host.failures - failures)
        return proposals

    def objection(self) -> str:
        """Why it has to go; empty while it keeps its limits."""
        return self.host.failure or self.watch.objection()

    @property
    def failing(self) -> bool:
        """Whether it makes no decisions, rather than bad ones."""
        return bool(self.host.failure) or self.watch.failing

    def compare(self, views: Sequence[JunctionView], acted: Sequence[Proposal | None]) -> None:
        """Decide beside who acted, for the same views; where no policy did, the stage shown counts."""
        for view, own, other in zip(views, self.ask(views), acted, strict=True):
            if own is None:
                continue
            junction = view.plan.junction
            compared, agreed = self.agreement.get(junction, Agreement())
            same = _stage(own, view) == (view.state.stage if other is None else _stage(other, view))
            self.agreement[junction] = Agreement(compared + 1, agreed + same)

    @property
    def total(self) -> Agreement:
        """The agreement over all junctions."""
        found = list(self.agreement.values())
        return Agreement(sum(row.compared for row in found), sum(row.agreed for row in found))


def _stage(proposal: Proposal, view: JunctionView) -> int:
    return view.state.stage if proposal.stage == KEEP else proposal.stage
