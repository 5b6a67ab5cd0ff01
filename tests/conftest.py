"""What the whole suite shares: the Hypothesis profiles and the checkout's root."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Deadlines per example measure the machine; the timeout of a test is the limit.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile(
    "prove", deadline=None, max_examples=5000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the checkout under test."""
    return Path(__file__).resolve().parent.parent
