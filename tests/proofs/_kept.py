"""What an earlier run of a long proof found, while neither the proof nor what it proves has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Finding = dict[str, int | float]


class Kept:
    """Findings by key in `folder`, one file per state of the `sources`; a stopped run goes on from there."""

    def __init__(self, folder: Path, sources: Iterable[Path]) -> None:
        """Read what is known; a line cut short by a stop is left out."""
        digest = hashlib.sha256()
        for source in sorted(sources):
            digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
        self.path = folder / f"{digest.hexdigest()[:16]}.jsonl"
        self._known: dict[str, Finding] = {}
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines(keepends=True):
                if line.endswith("\n"):
                    key, finding = json.loads(line)
                    self._known[key] = finding

    def get(self, what: Any) -> Finding | None:
        """The finding about `what`, known by its repr; None when there is none yet."""
        return self._known.get(_key(what))

    def put(self, what: Any, finding: Finding) -> None:
        """Keep a finding, at once."""
        self._known[_key(what)] = finding
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([_key(what), finding]) + "\n")


def _key(what: Any) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()[:24]
