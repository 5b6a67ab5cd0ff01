"""The closed loop: street, cabinets on real wires, a controller process, an ambulance, an operator."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stopline_cli.demonstration.operator import Operator, OverrideFigures
from stopline_envs.emergency import EmergencyFigures, EmergencyRun
from stopline_envs.scenario import Scenario
from stopline_hil.ambulance import Ambulance
from stopline_hil.controller_process import ControllerProcess
from stopline_hil.fitting import MODBUS, post_for
from stopline_hil.site_files import write_site
from stopline_hil.street import Street, StreetReport, Watcher
from stopline_signals.errors import StoplineError

OPERATOR_SHARE = 2 / 3
"""Where in the run the operator acts."""
HOLD_S = 20.0
READY_S = 60.0


class LoopFailed(StoplineError):
    """The closed loop could not be run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopResult:
    """What a closed loop came to; `statistics` is what the controller counted itself."""

    street: StreetReport
    statistics: dict[str, Any]
    plans_accepted: int
    emergency: EmergencyFigures
    emergency_run: EmergencyRun
    emergency_answers: dict[str, int]
    override: OverrideFigures | None
    lamps: LampHistory


@dataclass(slots=True)
class LampHistory:
    """A street watcher that notes what the lamps on the ambulance's way show, second by second."""

    run: EmergencyRun
    seen: list[tuple[int, str, str]]
    """(second, signal, letter of the ambulance's link)"""

    async def __call__(self, street: Street) -> None:
        """Note the lamps ahead at this second."""
        if self.run.sightings and self.run.sightings[-1].time_s == street.now:
            self.seen += [(street.now, signal.tls, signal.letter) for signal in self.run.sightings[-1].ahead]


async def run_closed_loop(
    scenario: Scenario,
    folder: Path,
    *,
    seed: int,
    rate: float,
    bundle: str,
    tick: Callable[[int], None],
    protocols: str = MODBUS,
) -> LoopResult:
    """Run the scenario once, `rate` simulated seconds to one; `tick` is called with every second done.

    `protocols` is what the cabinets speak (see `fitting.protocols_of`).
    """
    extra = () if scenario.emergency is None else (scenario.emergency.file,)
    street = Street(scenario, seed=seed, rate=rate, extra_files=extra, protocols=(protocols,))
    async with street:
        posts = [post_for(cabinet) for cabinet in street.cabinets.values()]
        # An earlier run's audit log and plans must not be counted with this one's.
        shutil.rmtree(folder / "site", ignore_errors=True)
        site = write_site(folder / "site", posts, clock_rate=rate, bundle=bundle)
        controller = ControllerProcess(site, folder / "controller.log")
        try:
            address = await controller.start()
            ambulance = Ambulance(scenario, street.plans, address)
            lamps = LampHistory(ambulance.run, [])
            at = scenario.begin + round(scenario.duration * OPERATOR_SHARE)
            operator = Operator(address, next(iter(street.cabinets)), at=at, hold_s=HOLD_S, rate=rate)
            street.watchers += [ambulance, lamps, operator, _progress(tick)]
            if not await street.wait_for_controller(READY_S):
                raise LoopFailed(f"the controller did not read every cabinet in {READY_S:.0f} s")
            report = await street.run()
            await ambulance.close()
            override = await operator.figures()
            statistics = await controller.stop()
        finally:
            await controller.kill()
        accepted = sum(cabinet.plans_accepted for cabinet in street.cabinets.values())
        if any(cabinet.protocol != MODBUS for cabinet in street.cabinets.values()):
            # Only a Modbus cabinet tells plans from heartbeats; the controller counts what was read back.
            accepted = int(statistics["plans_accepted"])
    return LoopResult(
        street=report,
        statistics=statistics,
        plans_accepted=accepted,
        emergency=ambulance.run.figures(),
        emergency_run=ambulance.run,
        emergency_answers=dict(ambulance.answers),
        override=override,
        lamps=lamps,
    )


def _progress(tick: Callable[[int], None]) -> Watcher:
    async def count(street: Street) -> None:
        tick(street.now)

    return count


def rate_for(scenario: Scenario, wall_s: float) -> float:
    """The clock rate at which the scenario takes at most `wall_s` of wall-clock time, at least 1."""
    return float(max(1, math.ceil(scenario.duration / wall_s)))
