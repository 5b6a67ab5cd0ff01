"""Rule-based controllers, each a Policy: the figures a trained policy has to beat."""

from stopline_agents.baselines.actuated import Actuated
from stopline_agents.baselines.fixed import FixedTime
from stopline_agents.baselines.oracle import GreedyOracle
from stopline_agents.baselines.rules import Greedy, MaxPressure, RateIndex
from stopline_agents.baselines.sotl import Sotl

__all__ = ["FixedTime", "Actuated", "MaxPressure", "Greedy", "GreedyOracle", "RateIndex", "Sotl"]
