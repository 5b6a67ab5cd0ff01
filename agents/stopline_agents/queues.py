"""A street without SUMO: queues that arrive at random and leave at saturation, under the real rule book.

Good for unit tests and for learning the ropes of a new network in seconds; no figure of it is ever
reported. Every junction is one slot of a stable-baselines3 vectorised environment.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs

from stopline_policy.sample_plans import sample_plans
from stopline_policy.seam import JunctionView
from stopline_signals.detectors import DetectorReading, calls_from
from stopline_signals.engine import Engine
from stopline_signals.guard import Guard
from stopline_signals.observation import Encoder, ObservationLayout
from stopline_signals.plan import Aspect, DetectorKind, SignalPlan

Array = npt.NDArray[Any]

ZONE_TRAVEL_S = 5
"""Seconds from the start of the far zone to the near zone."""
STEP = 10
"""Tenths per step of the queues."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """Traffic and episode."""

    decision_interval: int = 5
    """Seconds."""
    episode_s: int = 900
    flow: tuple[float, float] = (0.02, 0.14)
    """Range of arrivals per second and lane; each group draws its own at each episode."""
    walk_flow: float = 0.02
    reward_scale: float = 20.0
    max_groups: int = 12
    max_stages: int = 6
    seed: int = 0


class QueueJunction:
    """One junction with its queues; also usable on its own, through views."""

    def __init__(self, plan: SignalPlan, config: QueueConfig, seed: int) -> None:
        """Start the first episode."""
        self.plan = plan.rounded_up(STEP)
        self.engine = Engine(self.plan)
        self.guard = Guard(self.engine)
        self._config = config
        self._random = random.Random(seed)
        self.reset()

    def reset(self) -> None:
        """Draw new flows and empty the street."""
        self.state = self.engine.start(0)
        low, high = self._config.flow
        groups = self.plan.groups
        self._flows = [self._random.uniform(low, high) * group.lanes for group in groups]
        self._far: list[deque[int]] = [deque() for _ in groups]
        self._near = [0] * len(groups)
        self._credit = [0.0] * len(groups)
        self._walking = [False] * len(groups)
        self.vehicle_seconds = 0

    def view(self) -> JunctionView:
        """What a policy sees."""
        return JunctionView(
            self.plan, self.state, self.readings(), self.guard.allowed(self.state), self.state.now / 10
        )

    def readings(self) -> tuple[DetectorReading, ...]:
        """Detector readings in the order of the plan."""
        return tuple(self._reading(d.kind, d.group, d.capacity) for d in self.plan.detectors)

    def advance(self, stage: int, seconds: int) -> int:
        """Hold a request for some seconds; returns vehicle-seconds spent in the zones."""
        spent = 0
        for _ in range(seconds):
            request = self.guard.decide(self.state, stage).stage
            calls = calls_from(self.plan, self.readings())
            self.state = self.engine.advance(self.state, request, calls, self.state.now + STEP).state
            for group in range(len(self.plan.groups)):
                spent += self._move(group)
        self.vehicle_seconds += spent
        return spent

    def _move(self, group: int) -> int:
        aspect = self.state.aspects[group]
        if not any(d.group == group and d.kind is not DetectorKind.BUTTON for d in self.plan.detectors):
            return self._move_walkers(group, aspect)
        now = self.state.now // 10
        far = self._far[group]
        if self._random.random() < self._flows[group]:
            far.append(now)
        while far and now - far[0] >= ZONE_TRAVEL_S:
            far.popleft()
            self._near[group] += 1
        self._discharge(group, aspect)
        return self._near[group]

    def _discharge(self, group: int, aspect: int) -> None:
        if aspect < Aspect.PERMISSIVE:
            self._credit[group] = -1.0
            return
        rate = 0.5 if aspect == Aspect.GREEN else 0.2
        self._credit[group] = min(self._credit[group] + rate * self.plan.groups[group].lanes, 2.0)
        leaving = min(self._near[group], int(max(self._credit[group], 0.0)))
        self._near[group] -= leaving
        self._credit[group] -= leaving

    def _move_walkers(self, group: int, aspect: int) -> int:
        if aspect == Aspect.GREEN:
            self._walking[group] = False
        elif self._random.random() < self._config.walk_flow:
            self._walking[group] = True
        return int(self._walking[group])

    def _reading(self, kind: DetectorKind, group: int, capacity: float) -> DetectorReading:
        if kind is DetectorKind.BUTTON:
            return DetectorReading(int(self._walking[group]))
        room = round(capacity * self.plan.groups[group].lanes)
        near = min(self._near[group], room)
        green = self.state.aspects[group] >= Aspect.PERMISSIVE
        if kind is DetectorKind.NEAR_ZONE:
            return DetectorReading(near, 0 if green else near)
        spilled = self._near[group] - near
        return DetectorReading(min(spilled + len(self._far[group]), room), min(spilled, room))


class QueueVecEnv(VecEnv):
    """Slots of queue junctions behind the stable-baselines3 interface."""

    def __init__(
        self, config: QueueConfig | None = None, plans: Sequence[SignalPlan] | None = None, slots: int = 16
    ) -> None:
        """Slots take the plans in turn; by default the sample plans of the conformance check."""
        self.config = config or QueueConfig()
        plans = plans or sample_plans()
        seeds = random.Random(self.config.seed)
        self.junctions = [
            QueueJunction(plans[i % len(plans)], self.config, seeds.getrandbits(32)) for i in range(slots)
        ]
        self.layout = ObservationLayout(self.config.max_groups, self.config.max_stages)
        self._encoders = [
            Encoder(j.engine, self.config.max_groups, self.config.max_stages) for j in self.junctions
        ]
        self._buffer = np.zeros((slots, self.layout.size), np.float32)
        self._actions = np.zeros(slots, np.int64)
        self._returns = np.zeros(slots)
        self.render_mode = None
        box = spaces.Box(0.0, 4.0, (self.layout.size,), np.float32)
        cast(Any, super()).__init__(slots, box, spaces.Discrete(self.config.max_stages))

    def reset(self) -> VecEnvObs:
        """New episodes everywhere."""
        for junction in self.junctions:
            junction.reset()
        self._returns[:] = 0
        return self._observe()

    def step_async(self, actions: Array) -> None:
        """Take the actions; the work is done in step_wait."""
        self._actions = np.asarray(actions)

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        """Advance all slots by one decision; an episode that ends starts again at once."""
        config = self.config
        spent = [
            junction.advance(int(action), config.decision_interval)
            for junction, action in zip(self.junctions, self._actions, strict=True)
        ]
        rewards = -np.array(spent, np.float32) / (config.reward_scale * config.decision_interval)
        self._returns += rewards
        dones = np.array([j.state.now >= config.episode_s * 10 for j in self.junctions])
        infos: list[dict[str, Any]] = [{} for _ in self.junctions]
        if dones.any():
            last = self._observe().copy()
            for slot in np.flatnonzero(dones):
                infos[slot] = self._finish(int(slot), last[slot])
        return self._observe().copy(), rewards, dones, infos

    def close(self) -> None:
        """Nothing to release."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute of this object, once per slot."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Slots share one object: its attribute is set."""
        setattr(self, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the junction in each slot."""
        return [
            getattr(self.junctions[slot], method_name)(*method_args, **method_kwargs)
            for slot in self._get_indices(indices)
        ]

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """Slots are never wrapped."""
        return [False for _ in self._get_indices(indices)]

    def _finish(self, slot: int, observation: Array) -> dict[str, Any]:
        info = {
            "terminal_observation": observation,
            "TimeLimit.truncated": True,
            "episode": {"r": float(self._returns[slot]), "l": self.config.episode_s, "t": 0.0},
        }
        self._returns[slot] = 0
        self.junctions[slot].reset()
        return info

    def _observe(self) -> Array:
        for row, junction, encoder in zip(self._buffer, self.junctions, self._encoders, strict=True):
            view = junction.view()
            encoder.encode(view.state, view.readings, view.allowed, row)
        return self._buffer
