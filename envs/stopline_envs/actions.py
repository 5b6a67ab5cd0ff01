"""Action faces: what an agent says at each decision, turned into the stage the junction is asked for.

An environment's own action is the next stage. The other faces are thin layers over that: they read the stage
in force and the allowed ones out of the observation, and the guard has the last word in all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from stopline_signals.errors import ScenarioError
from stopline_signals.observation import STAGE_FEATURES, ObservationLayout

Mask = NDArray[np.int8]
SHORTEST_CYCLE_S = 10


class Choice(NamedTuple):
    """What a junction may do now: the stage in force, which stages it has, and which may be asked for."""

    current: int
    exists: NDArray[np.bool_]
    allowed: NDArray[np.bool_]


class ActionFace(Protocol):
    """Turns one action into stages, one for each decision that the action lasts."""

    @property
    def name(self) -> str:
        """What `actions=` of the environments calls it."""
        ...

    def space(self, stages: int) -> spaces.Space[Any]:
        """The action space of a junction with at most so many stages; a new object."""
        ...

    def decisions(self, interval: int) -> int:
        """How many decisions of `interval` seconds one action lasts."""
        ...

    def mask(self, choice: Choice) -> Mask | None:
        """Which actions may be chosen now; None where the space has no masks."""
        ...

    def stage(self, action: Any, choice: Choice, elapsed: int) -> int:
        """The stage to ask for `elapsed` seconds into the action."""
        ...


@dataclass(frozen=True, slots=True)
class NextStage:
    """The action is the stage itself, masked by what may be asked for now."""

    name: str = "stage"

    def space(self, stages: int) -> spaces.Space[Any]:
        """One action per stage."""
        return spaces.Discrete(stages)

    def decisions(self, interval: int) -> int:
        """An action lasts one decision."""
        return 1

    def mask(self, choice: Choice) -> Mask | None:
        """The allowed stages."""
        return choice.allowed.astype(np.int8)

    def stage(self, action: Any, choice: Choice, elapsed: int) -> int:
        """The action."""
        return int(action)


@dataclass(frozen=True, slots=True)
class KeepOrSwitch:
    """0 keeps the stage in force, 1 goes on to the next allowed one in the order of the plan's stages."""

    name: str = "keep-or-switch"

    def space(self, stages: int) -> spaces.Space[Any]:
        """Two actions, whatever the junction."""
        return spaces.Discrete(2)

    def decisions(self, interval: int) -> int:
        """An action lasts one decision."""
        return 1

    def mask(self, choice: Choice) -> Mask | None:
        """Keeping is forbidden when somebody must be served, switching while nothing else is allowed."""
        keep = bool(choice.allowed[choice.current])
        switch = _next_allowed(choice) != choice.current
        return np.asarray([keep or not switch, switch], dtype=np.int8)

    def stage(self, action: Any, choice: Choice, elapsed: int) -> int:
        """The stage in force or its successor."""
        return _next_allowed(choice) if int(action) else choice.current


@dataclass(frozen=True, slots=True)
class SplitsPerCycle:
    """One action per cycle: each stage's share of it, in the order of the plan's stages.

    Shares are put to a sum of 1 over the junction's own stages; a share of 0 leaves its stage out. Minimum
    greens, clearances and the limit on red stay the guard's, so short shares are stretched.
    """

    cycle: int = 90
    name: str = "splits"

    def __post_init__(self) -> None:
        if self.cycle < SHORTEST_CYCLE_S:
            raise ScenarioError(
                f"splits: a cycle of {self.cycle} s is too short; take {SHORTEST_CYCLE_S} s or more"
            )

    def space(self, stages: int) -> spaces.Space[Any]:
        """A share from 0 to 1 for each stage."""
        return spaces.Box(0.0, 1.0, (stages,), np.float32)

    def decisions(self, interval: int) -> int:
        """As many as it takes to run the whole cycle."""
        return math.ceil(self.cycle / interval)

    def mask(self, choice: Choice) -> Mask | None:
        """Shares are not masked."""
        return None

    def stage(self, action: Any, choice: Choice, elapsed: int) -> int:
        """The stage whose part of the cycle it is."""
        shares = np.zeros(len(choice.exists))
        given = np.asarray(action, dtype=np.float64)[: len(shares)]
        shares[: len(given)] = np.clip(given, 0.0, None)
        shares *= choice.exists
        if shares.sum() <= 0.0:
            shares = choice.exists.astype(np.float64)
        ends = np.cumsum(shares) * (self.cycle / shares.sum())
        return next(stage for stage, end in enumerate(ends.tolist()) if end > elapsed and shares[stage] > 0.0)


FACES: dict[str, ActionFace] = {face.name: face for face in (NextStage(), KeepOrSwitch(), SplitsPerCycle())}
"""The faces by name, as they are without further settings."""


def action_face(wanted: ActionFace | str) -> ActionFace:
    """The face of a name, or the one given; ScenarioError names those there are."""
    if not isinstance(wanted, str):
        return wanted
    try:
        return FACES[wanted]
    except KeyError:
        raise ScenarioError(f"no actions {wanted!r}; there are: {', '.join(FACES)}") from None


class ChoiceReader:
    """Reads choices out of observations."""

    def __init__(self, layout: ObservationLayout) -> None:
        """`layout` is that of the observations; whatever follows the layout's size is ignored."""
        self._layout = layout

    def read(self, observation: NDArray[np.float32], stages: int | None = None) -> Choice:
        """The choice a junction has; `stages` cuts it to the junction's own number of stages."""
        layout = self._layout
        features = observation[layout.stages].reshape(layout.max_stages, len(STAGE_FEATURES))
        members = observation[layout.membership].reshape(layout.max_stages, layout.max_groups)
        current = int(features[:, STAGE_FEATURES.index("current")].argmax())
        return Choice(
            current,
            np.asarray(members.any(axis=1), dtype=np.bool_)[:stages],
            (observation[layout.mask] > 0)[:stages],
        )


def _next_allowed(choice: Choice) -> int:
    count = len(choice.allowed)
    for step in range(1, count):
        stage = (choice.current + step) % count
        if choice.allowed[stage]:
            return stage
    return choice.current
