"""What a report says, whoever wrote it: items, each with a verdict for every requirement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Verdict:
    """One requirement: whether it is met, and what was seen."""

    requirement: str
    met: bool
    detail: str = ""


class Change(NamedTuple):
    """From `at` (cabinet tenths) on."""

    at: int
    state: str
    aspects: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What a cabinet did; `began` and `ended` (tenths) mark the part that matters."""

    changes: Sequence[Change]
    groups: Sequence[str]
    began: int
    ended: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One case or one set of requirements."""

    name: str
    kind: str = ""
    what: str = ""
    verdicts: Sequence[Verdict]
    figures: Mapping[str, str] = field(default_factory=dict[str, str])
    timeline: Timeline | None = None

    @property
    def passed(self) -> bool:
        """Whether every requirement is met."""
        return all(verdict.met for verdict in self.verdicts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole; `data` is what the JSON file holds, `hops` latencies in ms."""

    title: str
    facts: Mapping[str, str]
    items: Sequence[Item]
    data: Mapping[str, Any]
    hops: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every item passed."""
        return all(item.passed for item in self.items)
