"""Policy bundles of one key for a site: they choose differently, fail, or are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stopline_policy.manifest import MODEL_FILE
from stopline_signals.observation import MAX_STAGES
from tests.controller.sites import write_tiny_bundle
from tests.policy.tiny_bundle import LAYOUT, greedy_weights, linear_model


class Versions:
    """Writes bundles side by side, all signed by the same key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = Ed25519PrivateKey.generate()

    def greedy(self, name: str = "greedy", interval: float = 5.0) -> Path:
        """Goes where vehicles wait."""
        return self._write(name, linear_model(greedy_weights()), interval)

    def stubborn(self, stage: int, name: str = "stubborn", interval: float = 5.0) -> Path:
        """Wants one stage whenever it may be chosen."""
        weights = np.zeros((LAYOUT.size, MAX_STAGES))
        weights[LAYOUT.mask.start + stage, stage] = 1.0
        return self._write(name, linear_model(weights), interval)

    def nan(self, interval: float = 5.0) -> Path:
        """Its scores are never finite."""
        weights = -np.ones((LAYOUT.size, MAX_STAGES))
        return self._write("nan", linear_model(weights, logarithm=True), interval)

    def corrupt(self, name: str = "corrupt") -> Path:
        """One byte of its model was changed after signing."""
        path = self.greedy(name)
        model = bytearray((path / MODEL_FILE).read_bytes())
        model[len(model) // 2] ^= 1
        (path / MODEL_FILE).write_bytes(model)
        return path

    def _write(self, name: str, model: bytes, interval: float = 5.0) -> Path:
        return write_tiny_bundle(self.folder, model, interval, name=name, key=self._key)


def policy_table(bundle: str, extra: str = "") -> str:
    """The `[policy]` entries of a site file that trusts the key of `Versions`."""
    return f'bundle = "{bundle}"\ntrusted_keys = ["key.pub.pem"]\n{extra}'
