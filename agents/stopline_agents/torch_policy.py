"""A network that is still being trained, as a Policy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from stopline_agents.network import StageScorer
from stopline_policy.seam import JunctionView
from stopline_signals.engine import Engine
from stopline_signals.observation import Encoder
from stopline_signals.plan import SignalPlan


class TorchPolicy:
    """Takes the best-scored allowed stage of a torch network."""

    def __init__(self, scorer: StageScorer, decision_interval: float, *, name: str = "network") -> None:
        """The scorer is used as it is: later training shows in later decisions."""
        self.name = name
        self.decision_interval = decision_interval
        self._scorer = scorer
        self._encoders: dict[str, Encoder] = {}

    def reset(self, plans: Sequence[SignalPlan]) -> None:
        """Prepare the encoders."""
        layout = self._scorer.layout
        self._encoders = {
            plan.junction: Encoder(Engine(plan), layout.max_groups, layout.max_stages) for plan in plans
        }

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        """One stage per view."""
        if not views:
            return []
        rows = np.stack([self.encode(view) for view in views])
        with torch.inference_mode():
            best: list[int] = self._scorer(torch.as_tensor(rows)).argmax(1).tolist()
        return best

    def encode(self, view: JunctionView) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """The observation of a view."""
        return self._encoders[view.plan.junction].encode(view.state, view.readings, view.allowed)
