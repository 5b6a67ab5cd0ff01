"""Weighted sums of names as people write them: `delay + 0.1 emissions - 0.5*queue`."""

from __future__ import annotations

import re
from typing import NamedTuple

from stopline_signals.errors import ScenarioError

# Names may hold hyphens, so a sign between two terms stands alone, with space on both sides.
_JOINT = re.compile(r"\s+([+-])\s+")
_TERM = re.compile(r"(?P<weight>[+-]?\d*\.?\d+(?:[eE][+-]?\d+)?)?\s*\*?\s*(?P<name>[A-Za-z_][\w.:-]*)")


class Term(NamedTuple):
    """A name and what it is multiplied by."""

    weight: float
    name: str


def read_terms(text: str) -> tuple[Term, ...]:
    """The terms of a sum, in order; ScenarioError shows the part that cannot be read."""
    first, *rest = _JOINT.split(text.strip())
    signed = [("+", first), *zip(rest[::2], rest[1::2], strict=True)]
    return tuple(_term(sign, part, text) for sign, part in signed)


def _term(sign: str, part: str, whole: str) -> Term:
    found = _TERM.fullmatch(part.strip())
    if found is None:
        raise ScenarioError(
            f"reward {whole!r}: {part!r} is not a name with or without a weight; "
            "write it as 'delay + 0.1 emissions'"
        )
    weight = float(found["weight"] or 1.0)
    return Term(-weight if sign == "-" else weight, found["name"])
