"""IDQN, the strongest published learner on RESCO's maps, trained here: one Q-network per signal.

After Ault and Sharon, "Reinforcement Learning Benchmarks for Traffic Signal Control" (NeurIPS 2021): per lane
the vehicles coming, standing, their waiting time and their speeds; reward is minus the waiting time; 100
episodes of an hour, decisions every 10 s, yellow 3 s, no all-red. Its network is a small dense one, theirs
a small convolution over the same values. It trains on the very map it is measured on, with other seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from benchmarks import _commit
from stopline_agents.conditions import RESCO_INTERVAL_S, conditions_of
from stopline_agents.evaluate import run_one
from stopline_agents.parallel import run_tasks
from stopline_agents.statistics import estimate
from stopline_envs.network import NetworkRun
from stopline_envs.scenario import Scenario, load_scenario
from stopline_envs.simulation import libsumo_module
from stopline_policy.bundle import SHIPPED, read_bundle
from stopline_policy.manifest import MODEL_FILE

ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = ROOT / "benchmarks" / "results" / "idqn.json"
EPISODES = 100
GAMMA, BATCH, MEMORY, RATE, COPY_EVERY = 0.99, 32, 10_000, 1e-3, 500
EXPLORED = 0.8
"""Share of the training after which nothing is chosen by chance any more."""
PEERS = ("fixed", "actuated", "greedy", "rate-index", "bundle")
WAIT_SCALE, WAIT_CLIP = 224.0, 4.0
Row = npt.NDArray[np.float32]


class Agent:
    """One signal: its lanes, its Q-network, its memory."""

    def __init__(self, run: NetworkRun, number: int, rng: random.Random) -> None:
        """`run` has been reset."""
        sumo: Any = libsumo_module()
        self.lanes = list(dict.fromkeys(sumo.trafficlight.getControlledLanes(run.names[number])))
        self.stages = len(run.plans[number].stages)
        size = self.stages + 4 * len(self.lanes)
        self.network, self.target = (_dense(size, self.stages) for _ in range(2))
        self.target.load_state_dict(self.network.state_dict())
        self._optimizer = torch.optim.Adam(self.network.parameters(), RATE)
        self._memory: deque[tuple[Row, int, float, Row]] = deque(maxlen=MEMORY)
        self._rng, self._updates = rng, 0

    def look(self, stage: int) -> tuple[Row, float]:
        """The state, and the reward of what led to it."""
        lanes: Any = libsumo_module().lane
        rows: list[float] = [float(stage == number) for number in range(self.stages)]
        waiting = 0.0
        for lane in self.lanes:
            count, standing = lanes.getLastStepVehicleNumber(lane), lanes.getLastStepHaltingNumber(lane)
            wait = lanes.getWaitingTime(lane)
            speed = lanes.getLastStepMeanSpeed(lane) * count
            rows += [(count - standing) / 28, standing / 28, wait / 28, speed / 20 / 28]
            waiting += wait
        return np.asarray(rows, np.float32), max(-WAIT_CLIP, -waiting / WAIT_SCALE)

    def choose(self, state: Row, chance: float, allowed: int) -> int:
        """An allowed stage: by chance, or the one with the highest value."""
        free = [stage for stage in range(self.stages) if allowed >> stage & 1]
        if self._rng.random() < chance:
            return self._rng.choice(free)
        with torch.inference_mode():
            values = cast("list[float]", self.network(torch.as_tensor(state)).tolist())
        return max(free, key=values.__getitem__)

    def learn(self, before: Row, action: int, reward: float, after: Row) -> None:
        """Remember a step and learn from some of those remembered."""
        self._memory.append((before, action, reward, after))
        if len(self._memory) < BATCH:
            return
        chosen = self._rng.sample(self._memory, BATCH)
        states, actions, rewards, following = (
            torch.as_tensor(np.stack(part)) for part in zip(*chosen, strict=True)
        )
        with torch.no_grad():
            wanted = rewards.float() + GAMMA * self.target(following).max(1).values
        found = self.network(states).gather(1, actions.unsqueeze(1)).squeeze(1)
        loss = nn.functional.smooth_l1_loss(found, wanted)
        self._optimizer.zero_grad()
        cast(Any, loss).backward()
        cast(Any, self._optimizer).step()
        self._updates += 1
        if self._updates % COPY_EVERY == 0:
            self.target.load_state_dict(self.network.state_dict())


def main(arguments: Sequence[str] | None = None) -> int:
    """Train on each map, then measure all on the seeds of the policy table; rows of other maps stay."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks._policies.idqn", description=__doc__)
    parser.add_argument("--maps", type=lambda text: text.split(","), default=["cologne1", "ingolstadt1"])
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes when measuring")
    parser.add_argument("--json", type=Path, default=RESULT, help="result file")
    parser.add_argument("--peers-only", action="store_true", help="keep what was trained, measure the others")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    before: dict[str, Any] = json.loads(options.json.read_text()) if options.json.is_file() else {}
    rows: dict[str, Any] = before.get("maps", {})
    for name in options.maps:
        if not options.peers_only:
            rows[name] = _one_map(name, options.episodes, options.seeds)
        rows[name]["peers"] = _peers(name, options.seeds, options.jobs)
    head = {"command": "python -m benchmarks._policies.idqn", "episodes": options.episodes}
    bundle = read_bundle(SHIPPED).manifest.files[MODEL_FILE].sha256
    table = {**head, "commit": _commit.head(), "bundle": bundle, "maps": rows}
    options.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    return 0


def _peers(name: str, seeds: int, jobs: int) -> dict[str, Any]:
    """Mean exact delay of rules and the shipped policy on the same seeds, by the benchmark's own rules."""
    tasks = [
        (load_scenario(name), who, seed, conditions_of(resco_rules=True))
        for who in PEERS
        for seed in range(1, seeds + 1)
    ]
    found = dict(run_tasks(run_one, tasks, jobs))
    delays = [found[number].figures["delay_s"] for number in range(len(tasks))]
    return {
        who: estimate(delays[place * seeds : (place + 1) * seeds]).to_table()
        for place, who in enumerate(PEERS)
    }


def _one_map(name: str, episodes: int, seeds: int) -> dict[str, Any]:
    scenario, began = load_scenario(name), time.monotonic()
    cast(Any, torch).manual_seed(1)
    agents: list[Agent] = []
    curve: list[float] = []
    for episode in range(episodes):
        chance = max(0.0, 1 - episode / (EXPLORED * episodes))
        curve.append(_episode(scenario, 10_000 + episode, agents, chance, learning=True))
        print(f"{name}: episode {episode + 1} of {episodes}, delay {curve[-1]:.1f} s", flush=True)
    delays = [_episode(scenario, seed, agents, 0.0, learning=False) for seed in range(1, seeds + 1)]
    minutes = round((time.monotonic() - began) / 60, 1)
    return {"delay_s": estimate(delays).to_table(), "curve_s": curve, "minutes": minutes}


def _episode(scenario: Scenario, seed: int, agents: list[Agent], chance: float, *, learning: bool) -> float:
    """One hour; agents are made in the first one. The exact delay, s."""
    run = NetworkRun(scenario, trips=True, timing=conditions_of(resco_rules=True).timing)
    try:
        views = run.reset(seed)
        if not agents:
            agents += [Agent(run, n, random.Random(n)) for n in range(len(run.names))]
        states = [a.look(v.state.stage)[0] for a, v in zip(agents, views, strict=True)]
        while not run.done:
            rows = zip(agents, states, views, strict=True)
            chosen = [agent.choose(state, chance, view.allowed) for agent, state, view in rows]
            run.advance(chosen, RESCO_INTERVAL_S)
            views = run.views()
            seen = [a.look(v.state.stage) for a, v in zip(agents, views, strict=True)]
            if learning:
                for agent, before, action, (after, reward) in zip(agents, states, chosen, seen, strict=True):
                    agent.learn(before, action, reward, after)
            states = [state for state, _ in seen]
        return run.metrics().delay_s
    finally:
        run.close()


def _dense(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, outputs)
    )


if __name__ == "__main__":
    sys.exit(main())
