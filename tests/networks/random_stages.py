"""A generated network under random legal stages."""

from __future__ import annotations

import random

from stopline_envs.network import NetworkRun
from stopline_envs.scenario import Scenario


def violations(scenario: Scenario) -> int:
    """Lamp violations in a whole run that asks for any stage that is allowed, every two seconds."""
    run, rng = NetworkRun(scenario), random.Random(1)
    try:
        run.reset(1)
        while not run.done:
            views = run.views()
            allowed = [[s for s in range(len(v.plan.stages)) if v.allowed >> s & 1] for v in views]
            run.advance([rng.choice(stages) for stages in allowed], 2)
        return run.violations
    finally:
        run.close()
