"""What is noted of a run with emergency vehicles: others' losses second by second, and every crossing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stopline_envs.emergency import SPEED_FACTOR, Sighting
from stopline_envs.network import NetworkRun

GREEN = "Gg"
USUAL_CYCLE_S = 90.0
"""Cycle of a junction without a fixed program."""


class Crossing(NamedTuple):
    """An emergency vehicle passes a signal: second since the begin, junction by number.

    `green_s` is how long its lamp had been green by then. `served_cycles` is when the last of those who
    waited at that moment was served, in cycles of the junction's fixed program; -1 if not by the run's end.
    """

    second: int
    junction: int
    green_s: int
    served_cycles: float


class Waiting(NamedTuple):
    """Which groups still wait since a crossing; the crossing's own figures."""

    second: int
    junction: int
    green_s: int
    groups: frozenset[int]
    tenths: int
    """The crossing on the engine's clock."""


class Watch:
    """Notes one run; `note` once a second, after the step."""

    def __init__(self, run: NetworkRun) -> None:
        """`run` has been reset."""
        self._run = run
        self._lost: list[list[float]] = []
        self._queued: list[npt.NDArray[np.int16]] = []
        self._green_since: dict[tuple[str, str], int] = {}
        self._last: dict[str, Sighting] = {}
        self._open: list[Waiting] = []
        self._crossings: list[Crossing] = []
        self._place = {name: number for number, name in enumerate(run.names)}
        self._slots = [
            f"{plan.junction} {plan.groups[detector.group].name}"
            for plan in run.plans
            for detector in plan.detectors
        ]

    def note(self, second: int) -> None:
        """Everybody's loss on the approaches, and who still waits since a crossing."""
        self._lost.append([seen.approach for seen in self._run.traffic])
        self._queued.append(np.asarray(self._run.seen.queued, np.int16))
        still: list[Waiting] = []
        for one in self._open:
            waiting = self._run.junctions[one.junction].state.waiting_since
            # Who was served and waits again waits since later.
            left = frozenset(group for group in one.groups if 0 <= waiting[group] <= one.tenths)
            if left:
                still.append(one._replace(groups=left))
            else:
                self._close(one, second)
        self._open = still

    def vehicle(self, name: str, seen: Sighting | None, second: int) -> None:
        """Where an emergency vehicle is now; its own loss is taken out of everybody's."""
        was = self._last.get(name)
        ahead = {signal.tls: signal for signal in seen.ahead} if seen else {}
        for signal in was.ahead if was else ():
            number = self._place.get(signal.tls)
            if signal.tls not in ahead and number is not None:
                self._cross(name, signal.tls, number, second)
        for signal in ahead.values():
            if signal.letter in GREEN:
                self._green_since.setdefault((name, signal.tls), second)
            else:
                self._green_since.pop((name, signal.tls), None)
        if seen is None:
            self._last.pop(name, None)
            return
        self._last[name] = seen
        if seen.ahead and seen.ahead[0].tls in self._place:
            limit = max(seen.desired_mps / SPEED_FACTOR, 0.1)
            own = max(0.0, 1.0 - seen.speed_mps / limit)
            self._lost[-1][self._place[seen.ahead[0].tls]] -= own

    def lost(self) -> npt.NDArray[np.float32]:
        """Vehicles' loss per second on the approaches, emergency vehicles left out [seconds, junctions]."""
        return np.asarray(self._lost, np.float32)

    def standing(self) -> dict[str, npt.NDArray[np.int32]]:
        """Standing vehicles per second that the detectors of a movement see."""
        queued = np.asarray(self._queued, np.int32)
        found: dict[str, npt.NDArray[np.int32]] = {}
        for slot, name in enumerate(self._slots):
            found[name] = found.get(name, 0) + queued[:, slot]
        return found

    def crossings(self) -> tuple[Crossing, ...]:
        """Every crossing in the order in which those who waited were served; ends the watch."""
        for one in self._open:
            self._crossings.append(Crossing(one.second, one.junction, one.green_s, -1.0))
        self._open = []
        return tuple(self._crossings)

    def _cross(self, name: str, tls: str, number: int, second: int) -> None:
        since = self._green_since.pop((name, tls), second)
        state = self._run.junctions[number].state
        groups = frozenset(group for group, at in enumerate(state.waiting_since) if at >= 0)
        one = Waiting(second, number, second - since, groups, state.now)
        if groups:
            self._open.append(one)
        else:
            self._close(one, second)

    def _close(self, one: Waiting, second: int) -> None:
        program = self._run.plans[one.junction].program
        cycle = program.cycle / 10 if program else USUAL_CYCLE_S
        served = (second - one.second) / cycle
        self._crossings.append(Crossing(one.second, one.junction, one.green_s, served))
