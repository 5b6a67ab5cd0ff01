"""The conformance check of the seam notices each way of breaking the contract."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stopline_policy import ABSTAIN, JunctionView, check_policy
from stopline_policy.seam import allowed_stages
from stopline_signals.errors import PolicyError
from stopline_signals.plan import SignalPlan


class Lowest:
    """Takes the lowest allowed stage."""

    name = "lowest"
    decision_interval = 5.0

    def reset(self, plans: Sequence[SignalPlan]) -> None:
        self.calls = 0

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        return [allowed_stages(view.allowed)[0] for view in views]


class Nameless(Lowest):
    name = ""


class NoInterval(Lowest):
    decision_interval = 0.0


class Stubborn(Lowest):
    """Asks for stage 1 whether it is allowed or not."""

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        return [1 for _ in views]


class Short(Lowest):
    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        return super().decide(views)[:1]


class Floating(Lowest):
    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        return [float(stage) for stage in super().decide(views)]  # type: ignore[misc]  # the mistake under test


class Remembering(Lowest):
    """Alternates with a counter that reset forgets to clear."""

    turns = 0

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        self.turns += 1
        return [allowed_stages(view.allowed)[-1 if self.turns % 7 else 0] for view in views]


class Crosstalk(Lowest):
    """Decides by the number of junctions it is asked about."""

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        return [allowed_stages(view.allowed)[-1 if len(views) > 1 else 0] for view in views]


class Abstaining(Lowest):
    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        return [ABSTAIN for _ in views]


@pytest.mark.parametrize("policy", [Lowest(), Abstaining()])
def test_good_policies_pass(policy: Lowest) -> None:
    check_policy(policy)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (Nameless(), "name"),
        (NoInterval(), "decision_interval"),
        (Stubborn(), "chose stage 1"),
        (Short(), "1 decisions for 2"),
        (Floating(), "must be an int"),
        (Remembering(), "after reset"),
        (Crosstalk(), "is alone"),
    ],
)
def test_each_mistake_is_noticed(policy: Lowest, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        check_policy(policy)
