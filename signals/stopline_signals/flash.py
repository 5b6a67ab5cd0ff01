"""Into flash and out of it, at safe points only.

On the way in the junction is brought to all red by the ordinary transition, so no yellow or clearance is
cut; only then do the lamps flash. On the way out they go to all red and start up as after a power cut.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from stopline_signals.engine import KEEP, Engine, EngineState


class FlashPhase(StrEnum):
    """Where a junction stands between steady lamps and flash."""

    STEADY = "steady"
    ENTERING = "entering"
    FLASHING = "flashing"


class FlashStep(NamedTuple):
    """What to do now: the phase, the engine state to go on with, and the request to give it."""

    phase: FlashPhase
    state: EngineState
    request: int


class FlashControl:
    """Moves one junction into and out of flash; pure."""

    def __init__(self, engine: Engine) -> None:
        """Bind to the junction's engine."""
        self._engine = engine

    def step(
        self, phase: FlashPhase, state: EngineState, request: int, wanted: bool, start: int = 0
    ) -> FlashStep:
        """Decide what to ask the engine for, given the present phase and whether flash is `wanted`.

        `start` is the stage to come back to. While FLASHING the caller shows flashing lamps; the engine's own
        stay red.
        """
        if phase is FlashPhase.FLASHING:
            if wanted:
                return FlashStep(phase, state, KEEP)
            return FlashStep(FlashPhase.STEADY, self._engine.start(state.now, start), KEEP)
        if not wanted:
            return FlashStep(FlashPhase.STEADY, state, request)
        if state.stage == self._engine.all_red and not state.in_transition and not any(state.aspects):
            return FlashStep(FlashPhase.FLASHING, state, KEEP)
        return FlashStep(FlashPhase.ENTERING, state, self._engine.all_red)
