"""Starting from a network that was trained before: a run's folder, or a bundle, the shipped one included."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch

from stopline_agents.export import WEIGHTS_FILE
from stopline_agents.network import NetworkShape, StageScorer, shape_of
from stopline_agents.training.journal import Journal
from stopline_policy.bundle import SHIPPED, read_bundle
from stopline_signals.errors import PolicyError

SHIPPED_NAME = "bundle"


def start_from(source: str, network: StageScorer) -> None:
    """Copy the weights of ``bundle`` (the shipped one), of a bundle's path or of a run's folder.

    Raises:
        BundleError: The bundle cannot be trusted.
        PolicyError: Its network has another shape.
    """
    path, weights = _weights(source)
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in weights or weights[name].shape != wanted[name].shape]
    if missing:
        raise PolicyError(
            f"{path}: its network has another shape ({missing[0]} differs); train from the beginning instead"
        )
    network.load_state_dict({name: weights[name] for name in wanted})


def temper(network: StageScorer, temperature: float) -> None:
    """Divide its scores: what it takes for best stays so, and what it draws while it learns varies more."""
    with torch.no_grad():
        network.score.weight.div_(temperature)
        network.score.bias.div_(temperature)


def shape_at(source: str) -> NetworkShape:
    """The widths of the network to start from; PolicyError when it is none of ours."""
    path, weights = _weights(source)
    try:
        return shape_of(weights)
    except KeyError as error:
        raise PolicyError(f"{path}: its network has another shape (no {error.args[0]})") from error


def source_of(start: str) -> Path:
    """Where the weights lie."""
    return SHIPPED if start == SHIPPED_NAME else Path(start)


def _weights(source: str) -> tuple[Path, dict[str, torch.Tensor]]:
    path = source_of(source)
    best = Journal.best_of(path)
    return path, torch.load(best, weights_only=True) if best.is_file() else _of_bundle(path)


def _of_bundle(path: Path) -> dict[str, torch.Tensor]:
    files = read_bundle(path).files
    if WEIGHTS_FILE not in files:
        raise PolicyError(
            f"{path}: holds no {WEIGHTS_FILE}, so it cannot be trained on; start from its run's folder"
        )
    with np.load(io.BytesIO(files[WEIGHTS_FILE])) as weights:
        return {name: torch.as_tensor(weights[name]) for name in weights.files}
