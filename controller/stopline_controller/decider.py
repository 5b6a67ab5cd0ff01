"""Decisions on request: the same encoder, policy and guard as in the loop, without acting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stopline_controller.junction import JunctionControl
from stopline_controller.snapshots import Hub
from stopline_policy.bundle import Bundle
from stopline_policy.inference import MASKED_SCORE, Scorer
from stopline_policy.plain import first_scores
from stopline_policy.seam import ABSTAIN, allowed_stages
from stopline_signals.approach import Now
from stopline_signals.engine import EngineState
from stopline_signals.errors import StoplineError
from stopline_signals.guard import Verdict
from stopline_signals.observation import Encoder

FAILED = 255
"""Number of vehicles that marks a failed detector in packed readings."""


class DecisionProblem(StoplineError):
    """A request that cannot be decided; `kind` is "unknown", "input" or "state"."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Decision(NamedTuple):
    """What the guard lets through, what the policy chose, and the mask it chose from."""

    verdict: Verdict
    policy_stage: int
    allowed: int


class Decider:
    """Decides for the event loop of the services; shares no array with the control thread."""

    def __init__(self, bundle: Bundle | None, controls: Mapping[str, JunctionControl], hub: Hub) -> None:
        """Load the bundle a second time; without one every request is refused."""
        self._controls = controls
        self._hub = hub
        self._bundle: Bundle | None = None
        self._model: _Model | None = None
        self.use(bundle)

    def use(self, bundle: Bundle | None) -> None:
        """Decide by this bundle from now on; to be called where requests are served."""
        if bundle is not self._bundle:
            self._bundle = bundle
            self._model = None if bundle is None else _Model(bundle)

    def from_observation(self, junction: str, observation: bytes) -> Decision:
        """Decide from an encoded observation (float32, little endian), guarded by the present state."""
        control, now, model = self._at(junction)
        if len(observation) != len(model.raw):
            raise DecisionProblem(
                "input", f"an observation is {len(model.raw)} bytes of float32, found {len(observation)}"
            )
        model.raw[:] = observation
        scores = model.scores()
        total = sum(scores)
        # NaN and infinity are the two values that minus themselves are not zero.
        if total - total != 0.0:
            raise DecisionProblem("input", "the policy's scores are not finite; is the observation?")
        stage = scores.index(max(scores))
        return _guarded(control, now.state, stage, control.guard.allowed(now.state))

    def from_readings(self, junction: str, packed: bytes) -> Decision:
        """Decide from packed readings: two bytes per detector, vehicles and queued vehicles."""
        control, now, model = self._at(junction)
        count = len(control.plan.detectors)
        if len(packed) != 2 * count:
            raise DecisionProblem("input", f"{count} detectors are {2 * count} bytes, found {len(packed)}")
        vehicles = packed[::2]
        readings = zip(vehicles, packed[1::2], map(FAILED.__ne__, vehicles), strict=True)
        state = now.state
        allowed = control.guard.allowed(state)
        model.encoder(control).encode(state, readings, allowed, model.row)
        return _guarded(control, state, _best(model.scores(), allowed), allowed)

    def _at(self, junction: str) -> tuple[JunctionControl, Now, _Model]:
        control = self._controls.get(junction)
        if control is None:
            raise DecisionProblem(
                "unknown", f"no junction {junction!r} here; ListJunctions names those there are"
            )
        if self._model is None:
            raise DecisionProblem("state", "this site runs without a policy; name a bundle in [policy]")
        snapshot = self._hub.latest.get(junction)
        if snapshot is None or snapshot.now is None:
            raise DecisionProblem(
                "state", f"the cabinet of junction {junction} does not answer; its state is unknown"
            )
        return control, snapshot.now, self._model


class _Model:
    """One bundle's model with its arrays, and the encoder of each junction that was asked for."""

    def __init__(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        self._bundle = bundle
        scorer = Scorer(
            bundle.model,
            manifest.observation_size,
            manifest.max_stages,
            capacity=1,
            where=str(bundle.path),
        )
        self._encoders: dict[str, Encoder] = {}
        self.row = scorer.observations[0]
        self.raw = memoryview(self.row).cast("B")
        """The same row as bytes."""
        self.scores = first_scores(bundle.model, scorer)
        """Scores of all stages for what is in the row."""

    def encoder(self, control: JunctionControl) -> Encoder:
        """The junction's encoder; BundleError when its detectors do not feed the policy."""
        plan, manifest = control.plan, self._bundle.manifest
        known = self._encoders.get(plan.junction)
        if known is None:
            self._bundle.check_feeds(plan)
            known = Encoder(control.engine, manifest.max_groups, manifest.max_stages)
            self._encoders[plan.junction] = known
        return known


def _best(scores: list[float], allowed: int) -> int:
    """The best-scored allowed stage; ABSTAIN when one of their scores is not finite."""
    best, best_score = ABSTAIN, MASKED_SCORE
    for stage in allowed_stages(allowed):
        score = scores[stage]
        if score - score != 0.0:
            return ABSTAIN
        if score > best_score:
            best, best_score = stage, score
    return best


def _guarded(control: JunctionControl, state: EngineState, stage: int, allowed: int) -> Decision:
    if stage >= 0 and allowed >> stage & 1:
        # What the guard allows it grants untouched.
        return Decision(Verdict(stage, None), stage, allowed)
    return Decision(control.guard.decide(state, stage), stage, allowed)
