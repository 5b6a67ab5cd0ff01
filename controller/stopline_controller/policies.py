"""The policy in charge: loaded, asked in batches, and set aside when it fails."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import structlog

from stopline_controller.sources import Proposal, Source
from stopline_policy.bundle import Bundle
from stopline_policy.bundle_policy import BundlePolicy
from stopline_policy.seam import ABSTAIN, Policy
from stopline_signals.engine import KEEP
from stopline_signals.plan import SignalPlan
from stopline_signals.view import JunctionView

log = structlog.get_logger(__name__)

ABSTENTIONS = 3
"""Abstentions in a row after which a junction is left to its local plan."""


class PolicyFacts(NamedTuple):
    """What is published about the policy in charge."""

    name: str
    bundle_sha256: str = ""
    decision_interval: float = 5.0
    encoder_version: int = 0
    signed: bool = False


class Deciding(Protocol):
    """What the control loop asks of whoever holds the policy."""

    def decide(self, views: Sequence[JunctionView]) -> list[Proposal | None]:
        """One proposal per view; None where the policy withdraws."""
        ...

    def withdraws(self, junction: str) -> str:
        """Why the policy asks for nothing at this junction; empty when it does."""
        ...

    def warm(self, views: Sequence[JunctionView]) -> None:
        """A decision is near: whatever makes it quick may be done now."""
        ...


@runtime_checkable
class Warms(Protocol):
    """What a policy may offer besides: to do the work of a decision without deciding."""

    def warm(self, views: Sequence[JunctionView]) -> None:
        """Change nothing but caches."""
        ...


class PolicyHost:
    """Asks the policy for batches of junctions and turns every kind of failure into a withdrawal."""

    def __init__(self, policy: Policy, plans: Sequence[SignalPlan], facts: PolicyFacts) -> None:
        """Prepare the policy for these junctions."""
        policy.reset(plans)
        self.facts = facts
        self.failure = ""
        """Why the policy is set aside as a whole; empty while it works."""
        self.withdrawn: dict[str, str] = {}
        """Junctions it withdrew from, and why."""
        self.failures = 0
        """Decisions it did not make so far."""
        self._policy = policy
        self._abstained: dict[str, int] = {}

    def decide(self, views: Sequence[JunctionView]) -> list[Proposal | None]:
        """One proposal per view; None where the policy withdraws."""
        try:
            stages = self._policy.decide(views)
            if len(stages) != len(views):
                raise ValueError(f"returned {len(stages)} stages for {len(views)} junctions")
        except Exception as error:
            # A policy is somebody else's code: whatever it does, the junctions go to their local plans.
            if not self.failure:
                log.error("policy_failed", policy=self.facts.name, error=repr(error))
            self.failure = f"policy failed: {error!r}"
            self.failures += len(views)
            return [None] * len(views)
        if self.failure:
            log.info("policy_works_again", policy=self.facts.name)
            self.failure = ""
        return [self._proposal(view, stage) for view, stage in zip(views, stages, strict=True)]

    def warm(self, views: Sequence[JunctionView]) -> None:
        """Let the policy warm up, where it knows how to; a failure shows when it decides."""
        if isinstance(self._policy, Warms):
            with contextlib.suppress(Exception):
                self._policy.warm(views)

    def withdraws(self, junction: str) -> str:
        """Why the policy asks for nothing at this junction; empty when it does."""
        return self.failure or self.withdrawn.get(junction, "")

    def _proposal(self, view: JunctionView, stage: int) -> Proposal | None:
        junction = view.plan.junction
        if stage != ABSTAIN:
            self._abstained.pop(junction, None)
            self.withdrawn.pop(junction, None)
            return Proposal(Source.POLICY, stage, "decided", self.facts.name)
        self.failures += 1
        count = self._abstained[junction] = self._abstained.get(junction, 0) + 1
        if count < ABSTENTIONS:
            return Proposal(Source.POLICY, KEEP, "abstains: keeps the stage in force", self.facts.name)
        self.withdrawn[junction] = f"abstained {count} times in a row"
        return None


def host_bundle(bundle: Bundle, plans: Sequence[SignalPlan]) -> PolicyHost:
    """The host of a verified bundle for these junctions."""
    facts = PolicyFacts(
        bundle.manifest.name,
        bundle.sha256,
        bundle.manifest.decision_interval,
        bundle.manifest.encoder_version,
        bool(bundle.signed_by),
    )
    return PolicyHost(BundlePolicy(bundle), plans, facts)
