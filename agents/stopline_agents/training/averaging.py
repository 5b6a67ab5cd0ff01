"""The network that is kept: an average over the last rollouts, steadier than any single one of them."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import torch

from stopline_agents.network import StageScorer


class Average:
    """Exponential moving average of a network's weights."""

    def __init__(self, decay: float, saved: Path) -> None:
        """``decay`` is the weight of the past; an earlier average is read from ``saved`` if it is there."""
        self._decay = decay
        self._saved = saved
        self._network: StageScorer | None = None

    def take_in(self, network: StageScorer) -> None:
        """Move the average towards the network as it is now."""
        average = self.network(network)
        with torch.no_grad():
            for own, new in zip(average.parameters(), network.parameters(), strict=True):
                own.mul_(self._decay).add_(new, alpha=1 - self._decay)

    def network(self, like: StageScorer) -> StageScorer:
        """The averaged network; at the very beginning a copy of the one given."""
        if self._network is None:
            self._network = copy.deepcopy(like)
            if self._saved.is_file():
                self._network.load_state_dict(torch.load(self._saved, weights_only=True))
        return self._network


def weights_of(network: StageScorer) -> bytes:
    """The weights as `torch.load` reads them."""
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    return buffer.getvalue()
