"""Several trained networks as one: it scores a stage by the mean of their scores.

Training runs of one configuration differ by more than settings do, and where they disagree each has its own
mistakes. The mean of their scores is again one network of the same kind, only wider, its layers side by side:
it is exported, served and trained further like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import nn

from stopline_agents.network import NetworkShape, StageScorer
from stopline_signals.observation import STAGE_FEATURES


def voting(members: Sequence[StageScorer]) -> StageScorer:
    """One network whose score of each stage is the mean of the members'; they share one layout.

    Raises:
        ValueError: There are no members, or they have different layouts.
    """
    if not members or any(member.layout != members[0].layout for member in members):
        raise ValueError("a vote needs networks of one layout")
    shapes = [member.shape for member in members]
    shape = NetworkShape(
        row=sum(s.row for s in shapes), stage=sum(s.stage for s in shapes), score=sum(s.score for s in shapes)
    )
    joint = StageScorer(members[0].layout, shape).eval()
    common = len(STAGE_FEATURES)
    with torch.no_grad():
        _side_by_side(_linear(joint.encoder.rows, 0), [_linear(m.encoder.rows, 0) for m in members], 0)
        _side_by_side(_linear(joint.encoder.rows, 2), [_linear(m.encoder.rows, 2) for m in members], 1)
        stages = [_linear(m.encoder.stages, 0) for m in members]
        _side_by_side(_linear(joint.encoder.stages, 0), stages, 3, common)
        _side_by_side(_linear(joint.encoder.stages, 2), [_linear(m.encoder.stages, 2) for m in members], 1)
        _side_by_side(joint.own, [m.own for m in members], 1)
        _side_by_side(joint.around, [m.around for m in members], 2)
        joint.score.weight.copy_(torch.cat([m.score.weight for m in members], 1) / len(members))
        joint.score.bias.copy_(torch.stack([m.score.bias for m in members]).mean(0))
    return joint


def _linear(layers: nn.Sequential, index: int) -> nn.Linear:
    found = layers[index]
    assert isinstance(found, nn.Linear)
    return found


def _side_by_side(joint: nn.Linear, members: Sequence[nn.Linear], parts: int, common: int = 0) -> None:
    """Lay the members' weights out as blocks.

    The input begins with `parts` stretches in which the members' values lie one after the other; what is left
    of it, `common` long (without parts: all), is the same for all of them.
    """
    joint.weight.zero_()
    joint.bias.copy_(torch.cat([member.bias for member in members]))
    widths = [(member.in_features - common) // parts if parts else 0 for member in members]
    firsts = [0, *accumulate(widths)]
    down = 0
    for member, width, first in zip(members, widths, firsts[:-1], strict=True):
        rows = joint.weight[down : down + member.out_features]
        for part in range(parts):
            at = part * firsts[-1] + first
            rows[:, at : at + width] = member.weight[:, part * width : (part + 1) * width]
        rows[:, parts * firsts[-1] :] = member.weight[:, parts * width :]
        down += member.out_features
