"""The universal network as a stable-baselines3 actor-critic; masks come from the observation itself."""

from __future__ import annotations

from typing import Any, cast

import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import CategoricalDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor

from stopline_agents.network import NetworkShape, StageScorer, ValueHead
from stopline_signals.observation import ObservationLayout


class StagePolicy(ActorCriticPolicy):
    """Actor and critic over flat observations of one layout, shared by all junctions."""

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        *,
        max_groups: int,
        max_stages: int,
        shape: NetworkShape | None = None,
        **kwargs: Any,
    ) -> None:
        """The layout must fit the observation space of the environment."""
        self.stage_layout = ObservationLayout(max_groups, max_stages)
        self.stage_shape = shape or NetworkShape()
        cast(Any, super()).__init__(observation_space, action_space, lr_schedule, **kwargs)

    def _build(self, lr_schedule: Schedule) -> None:
        self.actor = StageScorer(self.stage_layout, self.stage_shape)
        self.critic = ValueHead(self.stage_layout, self.stage_shape)
        # The base class types the optimiser as the abstract one, whose signature has no learning rate.
        optimizer = cast(Any, self.optimizer_class)
        self.optimizer = optimizer(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def forward(self, obs: Tensor, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Actions, values and log probabilities of a batch."""
        distribution = self._distribution(obs)
        actions = distribution.get_actions(deterministic=deterministic)
        return actions, self.critic(obs), distribution.log_prob(actions)

    def evaluate_actions(self, obs: PyTorchObs, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Values, log probabilities and entropy of actions taken earlier."""
        assert isinstance(obs, Tensor)
        distribution = self._distribution(obs)
        return self.critic(obs), distribution.log_prob(actions), distribution.entropy()

    def get_distribution(self, obs: PyTorchObs) -> Distribution:
        """The distribution over stages."""
        assert isinstance(obs, Tensor)
        return self._distribution(obs)

    def predict_values(self, obs: PyTorchObs) -> Tensor:
        """Values [n, 1]."""
        assert isinstance(obs, Tensor)
        return cast(Tensor, self.critic(obs))

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        return self.get_distribution(observation).get_actions(deterministic=deterministic)

    def _distribution(self, obs: Tensor) -> CategoricalDistribution:
        distribution = CategoricalDistribution(self.stage_layout.max_stages)
        return distribution.proba_distribution(action_logits=self.actor(obs))

    def _get_constructor_parameters(self) -> dict[str, Any]:
        parameters = super()._get_constructor_parameters()
        parameters.update(
            max_groups=self.stage_layout.max_groups,
            max_stages=self.stage_layout.max_stages,
            shape=self.stage_shape,
        )
        return parameters


def scorer_of(policy: ActorCriticPolicy) -> StageScorer:
    """The network to export."""
    assert isinstance(policy, StagePolicy)
    return policy.actor.to(torch.device("cpu"))
