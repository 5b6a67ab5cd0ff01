"""Training networks and demand made by SUMO's own tools from real seeds.

    scenario = generate_network(7, "runs/networks/7", signals=8)

The same seed gives the same files, byte for byte. No public city is used.
"""

from stopline_envs.generate.junction import generate_junction
from stopline_envs.generate.layout import Kind
from stopline_envs.generate.network import Plans, generate_network

__all__ = ["Kind", "Plans", "generate_junction", "generate_network"]
