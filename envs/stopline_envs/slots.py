"""One network as a row of slots: observations, masks and rewards of all its signals, decision by decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stopline_envs.faults import SensorFaults
from stopline_envs.network import NetworkRun
from stopline_envs.rewards import Interval, find_reward
from stopline_envs.scenario import Scenario
from stopline_envs.sensor_profiles import SensorProfile, sensor_profile
from stopline_signals.batch import BatchEncoder
from stopline_signals.observation import MAX_GROUPS, MAX_STAGES, Encoder

Observations = NDArray[np.float32]
Masks = NDArray[np.bool_]

FEW = 3
"""Fewer junctions than this are cheaper to encode one by one."""
MOST = 20.0
"""Observations lie in 0..MOST: no feature is larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSettings:
    """How slots see, decide and are rewarded; seconds.

    `reward_every` is how often within a decision the reward looks at the traffic (0: once, at the end). Each
    look costs about a tenth of the second it looks at. `reward` is a name or a sum, as "delay + 0.1
    emissions" (see `rewards`). `sensors` (a profile or its name) and `faults` replace the scenario's own.
    `neighbours` appends what that many signals nearby show and hold (see `neighbours`). `gui` opens a
    window of sumo-gui. Episodes begin after `warmup` seconds under the plans' fixed programs, by default the
    scenario's own.
    """

    decision_interval: int = 5
    reward: str = "slowness"
    reward_every: int = 0
    max_groups: int = MAX_GROUPS
    max_stages: int = MAX_STAGES
    signals: tuple[str, ...] | None = None
    trips: bool = False
    options: tuple[str, ...] = field(default=())
    faults: SensorFaults | None = None
    neighbours: int = 0
    sensors: SensorProfile | str | None = None
    gui: bool = False
    warmup: int | None = None

    def __post_init__(self) -> None:
        find_reward(self.reward)  # a wrong name is an error here, not in some worker later
        if self.sensors is not None:
            sensor_profile(self.sensors)


class SlotRun:
    """A NetworkRun with encoders and rewards; arrays have one row per signal, in the order of `names`."""

    def __init__(self, scenario: Scenario, settings: SlotSettings) -> None:
        """Prepare; SUMO starts in `reset`."""
        self.settings = settings
        reward = find_reward(settings.reward)
        if settings.sensors is not None:
            scenario = replace(scenario, sensors=sensor_profile(settings.sensors))
        if settings.warmup is not None:
            scenario = replace(scenario, warmup=settings.warmup)
        self.run = NetworkRun(
            scenario,
            signals=settings.signals,
            trips=settings.trips,
            options=settings.options,
            figures=reward.figures,
            faults=settings.faults,
            gui=settings.gui,
        )
        self.names = self.run.names
        engines = [junction.engine for junction in self.run.junctions]
        sizes = settings.max_groups, settings.max_stages
        self._batch = BatchEncoder(engines, *sizes) if len(engines) >= FEW else None
        self._encoders = [Encoder(engine, *sizes) for engine in engines]
        self._reward = reward.function
        layout = self._encoders[0].layout
        self.size, self._mask = layout.size, layout.mask
        self._warm_until = scenario.begin + scenario.warmup

    def reset(self, seed: int) -> tuple[Observations, Masks]:
        """Start an episode; a scenario's warm-up is run under the plan's fixed program."""
        self.run.reset(seed)
        while self.run.now < self._warm_until:
            left = min(self.settings.decision_interval, self._warm_until - self.run.now)
            self.run.advance(self.run.program_stages(), left)
        return self.observe()

    def step(self, stages: Sequence[int]) -> NDArray[np.float32]:
        """Ask each signal for a stage and run one decision interval; the rewards."""
        before, began = self.run.traffic, self.run.now
        looks = self.run.advance(
            stages, self.settings.decision_interval, look_every=self.settings.reward_every
        )
        seconds = float(self.run.now - began)
        rows = zip(before, zip(*(look.traffic for look in looks), strict=True), strict=True)
        rewards = [self._reward(Interval(own, last, seconds)) for last, own in rows]
        return np.asarray(rewards, dtype=np.float32)

    def observe(self) -> tuple[Observations, Masks]:
        """Observations and the stages each signal may choose now."""
        observations = np.empty((len(self.names), self.size), dtype=np.float32)
        junctions = self.run.junctions
        allowed = [junction.judge() for junction in junctions]
        if self._batch is None:
            for encoder, junction, mask, row in zip(
                self._encoders, junctions, allowed, observations, strict=True
            ):
                encoder.encode(junction.state, junction.readings, mask, row)
        else:
            seen, states = self.run.seen, [junction.state for junction in junctions]
            self._batch.encode(
                states, seen.vehicles, seen.queued, allowed, healthy=seen.healthy, out=observations
            )
        return observations, observations[:, self._mask] > 0

    @property
    def done(self) -> bool:
        """Whether the episode is over."""
        return self.run.done

    def summary(self) -> dict[str, Any]:
        """What an episode's info says at its end."""
        figures: dict[str, Any] = {"scenario": self.run.scenario.name, "violations": self.run.violations}
        # SUMO goes on where a street would not: said, because a figure from such a run means little.
        figures |= {name: count for name, count in self.run.incidents().items() if count}
        if self.settings.trips:
            figures["metrics"] = self.run.metrics()
        return figures

    def close(self) -> None:
        """Stop SUMO."""
        self.run.close()
