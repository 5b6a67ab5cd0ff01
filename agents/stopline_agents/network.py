"""The universal policy network: movement rows in, one score per stage out, for a junction of any shape.

Every signal group is embedded by the same small network; a stage is the sum of the groups it serves, set
against the sum of those it holds; stages then compete through the stage in force and a pooled summary of
all stages. No weight depends on how many groups or stages there are, so a network trained on a small
layout is exported for the full one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from stopline_policy.inference import MASKED_SCORE
from stopline_signals.observation import ROW_FEATURES, STAGE_FEATURES, ObservationLayout

_EXISTS = ROW_FEATURES.index("exists")
_CURRENT = STAGE_FEATURES.index("current")


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """Widths of the layers."""

    row: int = 32
    stage: int = 48
    score: int = 32


class Blocks:
    """The blocks of a batch of flat observations [n, size], by name."""

    __slots__ = ("exists", "mask", "membership", "rows", "stages")

    def __init__(self, observation: Tensor, layout: ObservationLayout) -> None:
        groups, stages = layout.max_groups, layout.max_stages
        self.rows: Tensor = observation[:, layout.rows].reshape(-1, groups, len(ROW_FEATURES))
        self.membership: Tensor = observation[:, layout.membership].reshape(-1, stages, groups)
        self.stages: Tensor = observation[:, layout.stages].reshape(-1, stages, len(STAGE_FEATURES))
        self.mask: Tensor = observation[:, layout.mask]
        self.exists: Tensor = self.rows[:, :, _EXISTS : _EXISTS + 1]


class StageEncoder(nn.Module):
    """Embeds stages and the junction around them."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.rows = nn.Sequential(
            nn.Linear(len(ROW_FEATURES), shape.row), nn.ReLU(), nn.Linear(shape.row, shape.row), nn.ReLU()
        )
        self.stages = nn.Sequential(
            nn.Linear(3 * shape.row + len(STAGE_FEATURES), shape.stage),
            nn.ReLU(),
            nn.Linear(shape.stage, shape.stage),
            nn.ReLU(),
        )

    def forward(self, blocks: Blocks) -> tuple[Tensor, Tensor]:
        """Stage embeddings [n, stages, width] and junction summaries [n, 2 width]."""
        rows = cast(Tensor, self.rows(blocks.rows)) * blocks.exists
        protected = (blocks.membership > 0.75).to(rows.dtype)
        permissive = (blocks.membership > 0.25).to(rows.dtype) - protected
        served, yielding = protected @ rows, permissive @ rows
        held = rows.sum(1, keepdim=True) - served - yielding
        embedded = cast(Tensor, self.stages(torch.cat((served, yielding, held, blocks.stages), -1)))
        # A stage that serves nobody is padding: it must not leak into the summary.
        embedded = embedded * (blocks.membership.sum(-1, keepdim=True) > 0).to(rows.dtype)
        current = (embedded * blocks.stages[:, :, _CURRENT : _CURRENT + 1]).sum(1)
        return embedded, torch.cat((current, embedded.amax(1)), -1)


class StageScorer(nn.Module):
    """Scores the stages of flat observations; stages that may not be chosen get MASKED_SCORE."""

    def __init__(self, layout: ObservationLayout, shape: NetworkShape | None = None) -> None:
        super().__init__()
        shape = shape or NetworkShape()
        self.layout = layout
        self.shape = shape
        self.encoder = StageEncoder(shape)
        self.own = nn.Linear(shape.stage, shape.score)
        self.around = nn.Linear(2 * shape.stage, shape.score)
        self.score = nn.Linear(shape.score, 1)

    def forward(self, observation: Tensor) -> Tensor:
        """Scores [n, stages] of observations [n, size]."""
        blocks = Blocks(observation, self.layout)
        embedded, summary = self.encoder(blocks)
        hidden = torch.relu(self.own(embedded) + self.around(summary).unsqueeze(1))
        scores = cast(Tensor, self.score(hidden)).squeeze(-1)
        return torch.where(blocks.mask > 0.5, scores, torch.full_like(scores, MASKED_SCORE))


class ValueHead(nn.Module):
    """Expected return of flat observations; used in training only."""

    def __init__(self, layout: ObservationLayout, shape: NetworkShape | None = None) -> None:
        super().__init__()
        shape = shape or NetworkShape()
        self.layout = layout
        self.encoder = StageEncoder(shape)
        self.value = nn.Sequential(nn.Linear(2 * shape.stage, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, observation: Tensor) -> Tensor:
        """Values [n, 1] of observations [n, size]."""
        _, summary = self.encoder(Blocks(observation, self.layout))
        return cast(Tensor, self.value(summary))


def resized(scorer: StageScorer, layout: ObservationLayout) -> StageScorer:
    """The same scorer for another layout: weights are shared, only the slicing differs."""
    copy = StageScorer(layout, scorer.shape)
    copy.load_state_dict(scorer.state_dict())
    return copy


def shape_of(weights: Mapping[str, Tensor]) -> NetworkShape:
    """The widths of the network that has these weights; KeyError when it is none of ours."""
    return NetworkShape(
        row=len(weights["encoder.rows.0.bias"]),
        stage=len(weights["encoder.stages.0.bias"]),
        score=len(weights["own.bias"]),
    )


def scorer_of(weights: Mapping[str, Tensor], layout: ObservationLayout) -> StageScorer:
    """The scorer that has these weights."""
    scorer = StageScorer(layout, shape_of(weights))
    scorer.load_state_dict(dict(weights))
    return scorer.eval()
