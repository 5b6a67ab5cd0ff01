"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)


def write_whole(path: Path, text: str) -> bool:
    """Replace a file at once; False, and the old one stays, when the disk refuses."""
    beside = path.with_suffix(".new")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        log.warning("cannot_write", path=str(path), error=str(error), remedy="free disk space")
        return False
    return True
