"""A bundle on disk and the key that signed it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stopline_policy.bundle import write_bundle
from stopline_policy.manifest import MODEL_FILE
from tests.policy.tiny_bundle import greedy_weights, linear_model, manifest

MakeBundle = Callable[..., Path]


@pytest.fixture(scope="session")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def make_bundle(tmp_path: Path, key: Ed25519PrivateKey) -> MakeBundle:
    """Write a bundle with some fields of its manifest changed; returns its path."""

    def make(name: str = "tiny.bundle", *, model: bytes | None = None, **changes: object) -> Path:
        path = tmp_path / name
        write_bundle(path, manifest(**changes), {MODEL_FILE: model or linear_model(greedy_weights())}, key)
        return path

    return make
