"""What a junction's policy last decided on: the state of its encoder, worked out when somebody asks.

Control keeps what it decided on and no more; nothing here is its work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from stopline_controller.detector_health import Fault
from stopline_controller.junction import Basis
from stopline_controller.policies import PolicyFacts
from stopline_controller.runtime import JunctionRuntime
from stopline_signals.detectors import DetectorReading, groups_without_sensor
from stopline_signals.observation import ENCODER_VERSION, Encoder
from stopline_signals.plan import SignalPlan
from stopline_signals.saturation import Saturated, saturated


class InCharge(Protocol):
    """The policies of a controller, as far as they are told about."""

    @property
    def facts(self) -> PolicyFacts | None:
        """The policy in charge."""
        ...

    def withdraws(self, junction: str) -> str:
        """Why it asks for nothing at this junction; empty when it does."""
        ...


class Observed(NamedTuple):
    """The latest observation; `readings` as they were decided on, tenths and masks as everywhere."""

    age: int
    """Tenths between it and the cabinet's latest read-back."""
    stage: int | None
    """What the policy asked for; None: it was not asked, or withdrew."""
    allowed: int
    readings: tuple[DetectorReading, ...]
    coverage: float
    recalled: int
    """Groups that count as called because a detector is not believed, or because they have none."""
    saturated: tuple[Saturated, ...]


class Insight(NamedTuple):
    """What is known about one junction's encoder."""

    facts: PolicyFacts | None
    encoder_version: int
    withdrawn: str
    """Why the policy does not decide here; empty while it does."""
    least_coverage: float
    faults: Sequence[Fault | None]
    """What is wrong with each detector now."""
    observed: Observed | None
    """None before the first decision since the cabinet was met."""


class Insights:
    """Answers for the services; control goes on meanwhile."""

    def __init__(self, junctions: Iterable[JunctionRuntime], policies: InCharge) -> None:
        self._junctions = {junction.name: junction for junction in junctions}
        self._policies = policies
        self._encoders: dict[str, Encoder] = {}

    def of(self, name: str) -> Insight:
        """What is known about a junction that there is."""
        junction = self._junctions[name]
        facts, basis = self._policies.facts, junction.control.basis
        return Insight(
            facts,
            facts.encoder_version if facts else ENCODER_VERSION,
            junction.uncovered or self._policies.withdraws(name),
            junction.min_coverage,
            junction.watch.each,
            self._observed(junction, basis) if basis else None,
        )

    def _observed(self, junction: JunctionRuntime, basis: Basis) -> Observed:
        control, state = junction.control, basis.now.state
        encoder = self._encoders.get(junction.name)
        if encoder is None:
            encoder = self._encoders[junction.name] = Encoder(control.engine)
        latest, readings = control.now, basis.readings
        vector = encoder.encode(state, readings, basis.allowed)
        return Observed(
            latest.state.now - state.now if latest else 0,
            basis.proposal.stage if basis.proposal else None,
            basis.allowed,
            readings,
            sum(reading.healthy for reading in readings) / len(readings) if readings else 1.0,
            _recalled(control.plan, readings),
            tuple(saturated(control.plan, vector, encoder.layout)),
        )


def _recalled(plan: SignalPlan, readings: Sequence[DetectorReading]) -> int:
    mask = groups_without_sensor(plan)
    for detector, reading in zip(plan.detectors, readings, strict=True):
        if not reading.healthy:
            mask |= 1 << detector.group
    return mask
