"""A trained bundle as a Policy: encode, score in batches, take the best allowed stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from stopline_policy.bundle import SHIPPED, Bundle, read_bundle
from stopline_policy.inference import MASKED_SCORE, Floats, Scorer
from stopline_policy.seam import ABSTAIN, JunctionView
from stopline_signals.engine import Engine
from stopline_signals.observation import Encoder
from stopline_signals.plan import SignalPlan

log = structlog.get_logger(__name__)


class BundlePolicy:
    """Runs one bundle for any number of junctions; abstains where the scores are not finite."""

    def __init__(self, bundle: Bundle, *, name: str = "bundle", batch: int = 128) -> None:
        """Load the model of a verified bundle; ``batch`` rows are scored at a time."""
        self.name = name
        self.bundle = bundle
        self.decision_interval = bundle.manifest.decision_interval
        self.faults = 0
        """Decisions refused so far because the scores were not finite."""
        manifest = bundle.manifest
        self._scorer = Scorer(
            bundle.model,
            manifest.observation_size,
            manifest.max_stages,
            capacity=batch,
            where=str(bundle.path),
        )
        self._encoders: dict[str, tuple[SignalPlan, Encoder]] = {}
        self._faulty: set[str] = set()

    @classmethod
    def load(cls, path: Path | str = SHIPPED, *, name: str = "bundle") -> BundlePolicy:
        """Read, verify and load a bundle; by default the shipped one."""
        return cls(read_bundle(path), name=name)

    def reset(self, plans: Sequence[SignalPlan]) -> None:
        """Prepare for these junctions; BundleError when one lacks what the bundle needs."""
        for plan in plans:
            self.bundle.check_feeds(plan)
        self._faulty.clear()
        self._encoders = {plan.junction: self._entry(plan) for plan in plans}

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        """The best-scored allowed stage per view; ABSTAIN where the scores are not finite."""
        chosen: list[int] = []
        step = self._scorer.capacity
        for start in range(0, len(views), step):
            part = views[start : start + step]
            scores = self._scores(part)
            chosen += [self._choose(view, row) for view, row in zip(part, scores.tolist(), strict=True)]
        return chosen

    def warm(self, views: Sequence[JunctionView]) -> None:
        """Decide for nothing, before a decision: with cold caches that would take several times as long."""
        for view in views:
            # Encode all of it: the decision to come will be about another state.
            self._encoder(view.plan).forget()
        part = views[: self._scorer.capacity]
        for view, scores in zip(part, self._scores(part).tolist(), strict=True):
            _best(view, scores)

    def _scores(self, views: Sequence[JunctionView]) -> Floats:
        rows = self._scorer.observations
        for row, view in zip(rows, views, strict=False):
            self._encoder(view.plan).encode(view.state, view.readings, view.allowed, row)
        return self._scorer.run(len(views))

    def _choose(self, view: JunctionView, scores: list[float]) -> int:
        best = _best(view, scores)
        if best is None:
            return self._abstain(view.plan.junction)
        self._recovered(view.plan.junction)
        return best

    def _abstain(self, junction: str) -> int:
        self.faults += 1
        if junction not in self._faulty:
            self._faulty.add(junction)
            log.error("policy_scores_not_finite", junction=junction, bundle=self.bundle.manifest.name)
        return ABSTAIN

    def _recovered(self, junction: str) -> None:
        if junction in self._faulty:
            self._faulty.discard(junction)
            log.info("policy_scores_finite_again", junction=junction, bundle=self.bundle.manifest.name)

    def _encoder(self, plan: SignalPlan) -> Encoder:
        known, encoder = self._encoders.get(plan.junction, (None, None))
        if encoder is None or known is not plan:
            self.bundle.check_feeds(plan)
            entry = self._encoders[plan.junction] = self._entry(plan)
            return entry[1]
        return encoder

    def _entry(self, plan: SignalPlan) -> tuple[SignalPlan, Encoder]:
        manifest = self.bundle.manifest
        return plan, Encoder(Engine(plan), manifest.max_groups, manifest.max_stages)


def _best(view: JunctionView, scores: list[float]) -> int | None:
    """The best-scored allowed stage, ABSTAIN when none is allowed; None when one of them is not finite."""
    best, best_score = ABSTAIN, MASKED_SCORE
    for stage in range(len(view.plan.stages)):
        if view.allowed >> stage & 1:
            score = scores[stage]
            # NaN and infinity are the two values that minus themselves are not zero.
            if score - score != 0.0:
                return None
            if score > best_score:
                best, best_score = stage, score
    return best
