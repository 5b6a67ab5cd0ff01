"""Decisions on request: the same encoder, policy and guard as in the loop, without acting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from stopline_controller.junction import JunctionControl
from stopline_controller.snapshots import Hub
from stopline_policy.bundle import Bundle
from stopline_policy.bundle_policy import BundlePolicy
from stopline_policy.inference import Scorer
from stopline_signals.approach import Now
from stopline_signals.detectors import DetectorReading
from stopline_signals.errors import StoplineError
from stopline_signals.guard import Verdict
from stopline_signals.view import JunctionView

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
        self._policy: BundlePolicy | None = None
        self.use(bundle)

    def use(self, bundle: Bundle | None) -> None:
        """Decide by this bundle from now on; to be called where requests are served."""
        if bundle is self._bundle:
            return
        self._bundle = bundle
        self._policy = None
        if bundle is not None:
            self._policy = BundlePolicy(bundle)
            self._policy.reset([control.plan for control in self._controls.values()])
            manifest = bundle.manifest
            self._scorer = Scorer(
                bundle.model,
                manifest.observation_size,
                manifest.max_stages,
                capacity=1,
                where=str(bundle.path),
            )

    def from_observation(self, junction: str, observation: bytes) -> Decision:
        """Decide from an encoded observation (float32, little endian), guarded by the present state."""
        control, now = self._at(junction)
        row = self._scorer.observations[0]
        if len(observation) != row.nbytes:
            raise DecisionProblem(
                "input",
                f"an observation is {row.nbytes} bytes of float32, found {len(observation)}",
            )
        row[:] = np.frombuffer(observation, "<f4")
        scores = self._scorer.run(1)[0]
        stage = int(scores.argmax())
        if not np.isfinite(scores[stage]):
            raise DecisionProblem("input", "the policy's scores are not finite; is the observation?")
        return Decision(control.guard.decide(now.state, stage), stage, control.guard.allowed(now.state))

    def from_readings(self, junction: str, packed: bytes) -> Decision:
        """Decide from packed readings: two bytes per detector, vehicles and queued vehicles."""
        control, now = self._at(junction)
        count = len(control.plan.detectors)
        if len(packed) != 2 * count:
            raise DecisionProblem("input", f"{count} detectors are {2 * count} bytes, found {len(packed)}")
        readings = tuple(
            DetectorReading(0, 0, False) if vehicles == FAILED else DetectorReading(vehicles, queued)
            for vehicles, queued in zip(packed[::2], packed[1::2], strict=True)
        )
        assert self._policy is not None
        allowed = control.guard.allowed(now.state)
        view = JunctionView(control.plan, now.state, readings, allowed, now.state.now / 10)
        stage = self._policy.decide([view])[0]
        return Decision(control.guard.decide(now.state, stage), stage, allowed)

    def _at(self, junction: str) -> tuple[JunctionControl, Now]:
        control = self._controls.get(junction)
        if control is None:
            raise DecisionProblem(
                "unknown", f"no junction {junction!r} here; ListJunctions names those there are"
            )
        if self._policy is None:
            raise DecisionProblem("state", "this site runs without a policy; name a bundle in [policy]")
        snapshot = self._hub.latest.get(junction)
        if snapshot is None or snapshot.now is None:
            raise DecisionProblem(
                "state", f"the cabinet of junction {junction} does not answer; its state is unknown"
            )
        return control, snapshot.now
