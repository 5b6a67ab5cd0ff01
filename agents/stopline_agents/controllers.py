"""Controllers by name: what ``--controllers`` accepts."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable

from stopline_agents.baselines import Actuated, FixedTime, Greedy, GreedyOracle, MaxPressure, RateIndex, Sotl
from stopline_policy.bundle import SHIPPED
from stopline_policy.bundle_policy import BundlePolicy
from stopline_policy.seam import Policy
from stopline_signals.errors import PolicyError

WEBSTER = "webster"
"""The network's program with cycle and splits by SUMO's Webster tool from the scenario's own demand."""
FIXED_AS_IS = "fixed-as-is"
"""The network's program run by SUMO itself, without our clearances: a row to compare with, not a policy."""

RULES: dict[str, Callable[[], Policy]] = {
    "fixed": FixedTime,
    "actuated": Actuated,
    "max-pressure": MaxPressure,
    "max-pressure-halting": functools.partial(MaxPressure, halting=True, decision_interval=10.0),
    "sotl": Sotl,
    "greedy": Greedy,
    "rate-index": RateIndex,
    "greedy-oracle": GreedyOracle,
}

PATTERNS = ("bundle", "bundle:PATH", "sb3:ALGORITHM:FILE", "python:MODULE:CLASS")
"""Controllers that come from files."""


def make_controller(name: str) -> Policy:
    """The policy of a name: a rule, a bundle, ``sb3:ALGORITHM:FILE`` or ``python:MODULE:CLASS``."""
    kind, _, rest = name.partition(":")
    if name == WEBSTER:
        return FixedTime()
    if name in RULES:
        return RULES[name]()
    if kind == "bundle":
        return BundlePolicy.load(rest or SHIPPED, name=name)
    if kind == "sb3":
        # Only here: it brings torch.
        from stopline_agents.sb3_policy import Sb3Policy

        return Sb3Policy.load(rest)
    if kind == "python" and ":" in rest:
        return _imported(rest)
    known = ", ".join(
        (*RULES, WEBSTER, FIXED_AS_IS, "bundle", "bundle:PATH", "sb3:ALGORITHM:FILE", "python:MODULE:CLASS")
    )
    raise PolicyError(f"unknown controller {name!r}; known: {known}")


def _imported(path: str) -> Policy:
    module, _, name = path.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError) as error:
        raise PolicyError(f"controller python:{path}: {error}; give an importable MODULE:CLASS") from error
    if not isinstance(made, Policy):
        raise PolicyError(f"controller python:{path}: lacks name, decision_interval, reset or decide")
    return made
