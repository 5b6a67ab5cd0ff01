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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In a proof, a test that names a number of examples for the suite takes ten times as many."""
    if settings.get_current_profile_name() != "prove":
        return
    for test in {getattr(item, "obj", None) for item in items}:
        own: settings | None = getattr(test, "_hypothesis_internal_use_settings", None)
        if test is not None and own is not None and own.max_examples < settings().max_examples:
            more = settings(own, max_examples=10 * own.max_examples)
            test._hypothesis_internal_use_settings = more


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the checkout under test."""
    return Path(__file__).resolve().parent.parent
