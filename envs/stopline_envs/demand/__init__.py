"""Demand that differs from episode to episode, drawn from the episode's own seed.

    source = VariedDemand(load_scenario("arterial"), DemandVariation(surges=1.0), "runs/demand")
    env = JunctionEnv(source)

An environment that is given such a source meets other traffic in every episode; the same seed gives the same
files, byte for byte, on every machine.
"""

from stopline_envs.demand.variation import DemandVariation
from stopline_envs.demand.varied import VariedDemand

__all__ = ["DemandVariation", "VariedDemand"]
