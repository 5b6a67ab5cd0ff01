"""Signal plans from SUMO networks: `read_plans(net_path, additional)` needs no per-signal configuration."""

from stopline_envs.plans.benchmark import BenchmarkTiming, benchmark_plan
from stopline_envs.plans.findings import Finding, FindingKind
from stopline_envs.plans.net import Network, Program, read_network
from stopline_envs.plans.reader import PlanSet, read_plans
from stopline_envs.plans.zones import LaneSegment, Zone

__all__ = [
    "BenchmarkTiming",
    "benchmark_plan",
    "Finding",
    "FindingKind",
    "LaneSegment",
    "Network",
    "PlanSet",
    "Program",
    "Zone",
    "read_network",
    "read_plans",
]
