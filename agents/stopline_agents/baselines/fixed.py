"""Fixed-time control: the installed program, through the rule book."""

from __future__ import annotations

from collections.abc import Sequence

from stopline_agents.baselines.demand import asked_or_kept
from stopline_policy.seam import JunctionView
from stopline_signals.detectors import calls_from
from stopline_signals.engine import Engine
from stopline_signals.errors import PolicyError
from stopline_signals.plan import SignalPlan


class FixedTime:
    """Asks for the stage of the plan's program; cycle and offset are kept.

    Each stage is asked for early enough that its green starts on time, so longer clearances come out of
    the preceding green. What the rule book does not allow yet is asked for again a second later.
    """

    name = "fixed"
    decision_interval = 1.0

    def __init__(self) -> None:
        """Needs no settings: the plan says it all."""
        self._engines: dict[str, Engine] = {}

    def reset(self, plans: Sequence[SignalPlan]) -> None:
        """Prepare the change times; PolicyError when a junction has no program."""
        for plan in plans:
            if plan.program is None:
                raise PolicyError(
                    f"junction {plan.junction}: no fixed-time program; give one with --additional, "
                    "or leave out the controller 'fixed'"
                )
        self._engines = {plan.junction: Engine(plan) for plan in plans}

    def decide(self, views: Sequence[JunctionView]) -> list[int]:
        """The program's stage where it is allowed, else the stage in force."""
        return [self._decide(view) for view in views]

    def _decide(self, view: JunctionView) -> int:
        calls = calls_from(view.plan, view.readings)
        stage = self._engines[view.plan.junction].program_request(view.state, calls)
        return asked_or_kept(view, stage)
