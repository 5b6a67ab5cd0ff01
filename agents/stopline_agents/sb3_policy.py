"""Any stable-baselines3 model trained on our environments, as a Policy."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from stopline_agents.baselines.demand import asked_or_kept
from stopline_policy.seam import JunctionView
from stopline_signals.engine import Engine
from stopline_signals.errors import PolicyError
from stopline_signals.observation import Encoder, ObservationLayout
from stopline_signals.plan import SignalPlan

MODULES = ("stable_baselines3", "sb3_contrib")
MOST_GROUPS = 64


class Sb3Policy:
    """Asks a model for the next stage; what may not be chosen now becomes the stage in force."""

    def __init__(self, model: Any, *, name: str = "sb3", decision_interval: float = 5.0) -> None:
        """Wrap a loaded model whose spaces are those of `Stopline/Junction-v0` or `SlotVecEnv`."""
        self.name, self.decision_interval = name, decision_interval
        self._model = model
        self._sizes = _sizes(model, name)
        self._masks = "action_masks" in inspect.signature(model.predict).parameters
        self._encoders: dict[str, Encoder] = {}

    @classmethod
    def load(cls, text: str) -> Sb3Policy:
        """From ``ALGORITHM:FILE`` or ``ALGORITHM:FILE:SECONDS``, as in ``PPO:model.zip:5``."""
        algorithm, _, rest = text.partition(":")
        path, _, seconds = rest.partition(":")
        if not path:
            raise PolicyError(f"controller sb3:{text}: write sb3:ALGORITHM:FILE.zip, as in sb3:PPO:model.zip")
        try:
            model = _algorithm(algorithm).load(path, device="cpu")
            return cls(model, name=f"sb3:{text}", decision_interval=float(seconds or 5))
        except (OSError, ValueError, KeyError) as error:
            raise PolicyError(f"controller sb3:{text}: cannot be loaded: {error}") from error

    def reset(self, plans: Sequence[SignalPlan]) -> None:
        """Prepare an encoder per junction; PolicyError when a plan does not fit the model's layout."""
        groups, stages = self._sizes
        for plan in plans:
            if len(plan.groups) > groups or len(plan.stages) > stages:
                raise PolicyError(
                    f"junction {plan.junction}: {len(plan.groups)} groups and {len(plan.stages)} stages do "
                    f"not fit a model of {groups} and {stages}; train it with a larger layout"
                )
        self._encoders = {plan.junction: Encoder(Engine(plan), groups, stages) for plan in plans}

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        """The model's choice for each junction, deterministic."""
        if not views:
            return []
        rows = [
            self._encoders[v.plan.junction].encode(v.state, v.readings, v.allowed, None).copy() for v in views
        ]
        observations = np.stack(rows)
        masks = {"action_masks": observations[:, self._mask] > 0} if self._masks else {}
        chosen, _ = self._model.predict(observations, deterministic=True, **masks)
        return [asked_or_kept(view, int(stage)) for stage, view in zip(chosen, views, strict=True)]

    @property
    def _mask(self) -> slice:
        return ObservationLayout(*self._sizes).mask


def _algorithm(name: str) -> Any:
    for module in MODULES:
        found = getattr(importlib.import_module(module), name, None)
        if found is not None:
            return found
    raise PolicyError(f"no algorithm {name!r} in {' or '.join(MODULES)}; give its class name, such as PPO")


def _sizes(model: Any, name: str) -> tuple[int, int]:
    """Groups and stages of the layout the model was trained on."""
    size, stages = int(model.observation_space.shape[0]), int(model.action_space.n)
    for groups in range(1, MOST_GROUPS + 1):
        if ObservationLayout(groups, stages).size == size:
            return groups, stages
    raise PolicyError(
        f"controller {name}: {size} inputs and {stages} actions are no observation of ours; "
        "train it on Stopline/Junction-v0 or SlotVecEnv"
    )
