"""What an evaluation changes about a scenario, for every controller alike."""

from __future__ import annotations

from dataclasses import dataclass

from stopline_envs.faults import SensorFaults
from stopline_envs.plans import BenchmarkTiming
from stopline_signals.errors import PolicyError

RESCO_INTERVAL_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What differs from a scenario as it is.

    Attributes:
        demand: factor on the number of vehicles.
        faults: what is wrong with the detectors; the monitor and the figures see the truth.
        timing: a benchmark's own signal times in place of the rule book's.
        emissions: have SUMO account for CO2, which costs time; changes nothing on the street.
        interval_s: seconds between decisions for everybody; None leaves each controller its own.
    """

    demand: float = 1.0
    faults: SensorFaults | None = None
    timing: BenchmarkTiming | None = None
    interval_s: int | None = None
    emissions: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.demand <= 10:
            raise PolicyError(f"demand must be a factor above 0 and at most 10, not {self.demand}")
        if self.interval_s is not None and self.interval_s < 1:
            raise PolicyError(f"interval_s must be 1 or more, not {self.interval_s}")

    @property
    def options(self) -> tuple[str, ...]:
        """For SUMO."""
        scaled = () if self.demand == 1.0 else ("--scale", str(self.demand))
        return (*scaled, *(("--device.emissions.probability", "1") if self.emissions else ()))

    @property
    def benchmark_only(self) -> bool:
        """Whether signal times are not the rule book's, so that the monitor counts what that breaks."""
        return self.timing is not None


AS_GIVEN = Conditions()


def conditions_of(
    *,
    demand: float = 1.0,
    dead: float = 0.0,
    stuck: float = 0.0,
    noise: float = 0.0,
    latency: float = 0.0,
    resco_rules: bool = False,
    emissions: bool = False,
) -> Conditions:
    """Conditions from plain numbers: shares of dead and stuck detectors, chance of miscounts, age in s.

    `resco_rules`: decisions every 10 s, yellow 3 s, no all-red, as on most of RESCO's maps (its arterial4x4
    has 5 s and 2 s). Raises PolicyError or ScenarioError naming the value at fault.
    """
    faults = SensorFaults(dead_share=dead, stuck_share=stuck, noise=noise, latency_s=latency)
    return Conditions(
        demand=demand,
        faults=None if faults == SensorFaults() else faults,
        timing=BenchmarkTiming() if resco_rules else None,
        interval_s=RESCO_INTERVAL_S if resco_rules else None,
        emissions=emissions,
    )
