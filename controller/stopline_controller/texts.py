"""How long the words of clients may be: they go into records and states that are kept and sent to others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

LONGEST_NAME = 64
"""Characters of whatever a client calls something by: names, identifiers, keys, confirmations."""
LONGEST_REASON = 200
"""Characters of a reason: a lease's is in every state of its junction that is sent to anybody."""


def too_long(names: Mapping[str, str], reason: str = "") -> Iterator[str]:
    """What is over its limit, by the names of the fields."""
    for field, name in names.items():
        if len(name) > LONGEST_NAME:
            yield f"{field} has at most {LONGEST_NAME} characters, not {len(name)}"
    if len(reason) > LONGEST_REASON:
        yield f"reason has at most {LONGEST_REASON} characters, not {len(reason)}"
