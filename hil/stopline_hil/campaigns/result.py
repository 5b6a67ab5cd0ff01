"""What a campaign came to: a verdict for each requirement of each case, and the figures behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from stopline_hil.reports.model import Change, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One case; times in cabinet seconds, -1 when it did not happen."""

    name: str
    protocol: str
    what: str
    state_reached: str
    states: Sequence[str]
    lasts_s: float
    time_to_safe_s: float
    backup_s: float
    recovery_s: float
    violations: int
    stuck: int
    commands: int
    verdicts: Sequence[Verdict]
    began: int = 0
    ended: int = 0
    until: int = 0
    timeline: Sequence[Change] = field(default=(), repr=False)
    groups: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        """Whether every requirement is met."""
        return all(verdict.met for verdict in self.verdicts)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignResult:
    """All of a campaign; `hops` are latencies in wall-clock ms by hop."""

    name: str
    rate: float
    seed: int
    wall_s: float
    cases: Sequence[CaseResult]
    hops: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])
    skipped: Sequence[str] = ()
    street: str = ""

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return all(case.passed for case in self.cases)


def to_table(result: CampaignResult, *, timelines: bool = False) -> dict[str, Any]:
    """Plain data for JSON; hops as their percentiles."""
    cases: list[dict[str, Any]] = []
    for case in result.cases:
        row = asdict(case) | {"passed": case.passed}
        if not timelines:
            for name in ("timeline", "groups", "began", "ended", "until"):
                del row[name]
        cases.append(row)
    return {
        "campaign": result.name,
        "passed": result.passed,
        "street": result.street,
        "rate": result.rate,
        "seed": result.seed,
        "wall_s": round(result.wall_s, 1),
        "skipped": list(result.skipped),
        "hops_ms": {name: percentiles(samples) for name, samples in result.hops.items()},
        "cases": cases,
    }


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """p50, p90, p99 and the largest, with how many there were."""
    ordered = sorted(samples)
    if not ordered:
        return {"count": 0}
    at = {name: ordered[min(int(len(ordered) * share), len(ordered) - 1)] for name, share in _SHARES.items()}
    return {"count": len(ordered), **{name: round(value, 2) for name, value in at.items()}}


_SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
