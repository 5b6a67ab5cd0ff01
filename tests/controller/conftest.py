"""Logs as the controller writes them, for tests that run its parts in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import structlog

from stopline_controller.logs import configure_logs


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    configure_logs(sys.stderr, as_json=True)
    yield
    structlog.reset_defaults()
