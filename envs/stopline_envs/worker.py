"""A helper process that runs one network after another for a vectorised environment."""

from __future__ import annotations

import contextlib
import os
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stopline_envs.scenario import Scenario
from stopline_envs.slots import Masks, Observations, SlotRun, SlotSettings
from stopline_signals.errors import ScenarioError, SimulationError

POLL_S = 1.0
STOP_S = 5.0
LOG_TAIL = 30


@dataclass(frozen=True, slots=True)
class Stepped:
    """One decision of all slots of a worker."""

    observations: Observations
    rewards: NDArray[np.float32]
    dones: NDArray[np.bool_]
    infos: list[dict[str, Any]]
    masks: Masks


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a worker sends instead of an answer."""

    message: str


class Worker:
    """The near end of one worker process; a worker that dies is reported with its log, never waited for."""

    def __init__(
        self,
        context: SpawnContext,
        source: Scenario | Callable[[int], Scenario],
        slots: int,
        settings: SlotSettings,
        seed: int,
        number: int,
    ) -> None:
        """Start the process."""
        self._number = number
        handle, log = tempfile.mkstemp(prefix=f"stopline-worker-{number}-", suffix=".log")
        os.close(handle)
        self._log = Path(log)
        self._pipe, far = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(far, source, slots, settings, (seed, number), log), daemon=True
        )
        self._process.start()
        far.close()

    def send(self, command: str, argument: Any) -> None:
        """Give the worker a command; SimulationError when it is gone."""
        try:
            self._pipe.send((command, argument))
        except OSError as error:
            raise self._gone() from error

    def receive(self) -> Any:
        """Its answer; SimulationError with the worker's log when it failed or died."""
        try:
            while not self._pipe.poll(POLL_S):
                if not self._process.is_alive() and not self._pipe.poll(0):
                    raise self._gone()
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._gone() from error
        if isinstance(answer, _Failed):
            raise SimulationError(f"worker {self._number}: {answer.message}")
        return answer

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._process.pid

    def close(self) -> None:
        """Ask the worker to stop, then make it; harmless twice."""
        with contextlib.suppress(OSError):
            self._pipe.send(("close", None))
        self._process.join(STOP_S)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(STOP_S)
        self._pipe.close()
        self._log.unlink(missing_ok=True)

    def _gone(self) -> SimulationError:
        self._process.join(STOP_S)
        lines = (
            self._log.read_text(encoding="utf-8", errors="replace").splitlines()
            if self._log.is_file()
            else []
        )
        tail = "\n".join(lines[-LOG_TAIL:]) or "(its log is empty)"
        return SimulationError(
            f"worker {self._number} died with exit code {self._process.exitcode}; the end of its log:\n{tail}"
        )


def _serve(
    pipe: Connection,
    source: Scenario | Callable[[int], Scenario],
    slots: int,
    settings: SlotSettings,
    seeds: tuple[int, int],
    log: str,
) -> None:
    """Far end: runs in the worker process until told to close or left alone."""
    _write_output_to(log)
    episodes = _Episodes(source, slots, settings, seeds)
    try:
        while True:
            command, argument = pipe.recv()
            if command == "close":
                break
            pipe.send(episodes.reset(argument) if command == "reset" else episodes.step(argument))
    except (EOFError, KeyboardInterrupt):
        pass  # the near end is gone
    except Exception:
        with contextlib.suppress(OSError):
            pipe.send(_Failed(traceback.format_exc(limit=-5)))
    finally:
        episodes.close()


def _write_output_to(log: str) -> None:
    """Send this process's output to a file: SUMO writes its last words to the file descriptors themselves."""
    handle = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)


class _Episodes:
    """Runs episodes one after another, each with a seed of its own."""

    def __init__(
        self,
        source: Scenario | Callable[[int], Scenario],
        slots: int,
        settings: SlotSettings,
        seeds: tuple[int, int],
    ) -> None:
        self._source = source
        self._slots = slots
        self._settings = settings
        self._base, self._number = seeds
        self._episode = 0
        self._run: SlotRun | None = None
        self._return = np.zeros(slots)
        self._length = 0

    def reset(self, seed: int | None) -> tuple[Observations, Masks]:
        if seed is not None:
            self._base, self._episode = seed, 0
        own = episode_seed(self._base, self._number, self._episode)
        self._episode += 1
        self.close()
        scenario = self._source if isinstance(self._source, Scenario) else self._source(own)
        self._run = SlotRun(scenario, self._settings)
        if len(self._run.names) != self._slots:
            raise ScenarioError(
                f"scenario {scenario.name} has {len(self._run.names)} signals, the worker {self._slots} "
                "slots; give a source of networks with exactly that many, or name the signals in SlotSettings"
            )
        self._return = np.zeros(self._slots)
        self._length = 0
        return self._run.reset(own)

    def step(self, stages: list[int]) -> Stepped:
        run = self._run
        if run is None:
            raise SimulationError("step before reset: call reset first")
        rewards = run.step(stages)
        self._return += rewards
        self._length += 1
        observations, masks = run.observe()
        done = run.done
        infos: list[dict[str, Any]] = [{} for _ in range(self._slots)]
        if done:
            infos = self._last_infos(run, observations)
            observations, masks = self.reset(None)
        return Stepped(observations, rewards, np.full(self._slots, done, dtype=np.bool_), infos, masks)

    def close(self) -> None:
        if self._run is not None:
            self._run.close()
            self._run = None

    def _last_infos(self, run: SlotRun, observations: Observations) -> list[dict[str, Any]]:
        """Time is up, nothing ended: SB3 bootstraps from the terminal observation."""
        summary = run.summary()
        return [
            {
                "terminal_observation": observations[slot],
                "TimeLimit.truncated": True,
                "episode": {"r": float(self._return[slot]), "l": self._length, "t": 0.0},
                "signal": run.names[slot],
                **summary,
            }
            for slot in range(self._slots)
        ]


def episode_seed(base: int, worker: int, episode: int) -> int:
    """The seed of one episode of one worker: distinct, and the same on every machine."""
    return int(np.random.SeedSequence((base, worker, episode)).generate_state(1)[0] >> 1)
