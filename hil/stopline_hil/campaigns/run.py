"""Runs a campaign: batches of cases, one after the other, and what they came to."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stopline_hil.campaigns.campaign import Campaign, Case
from stopline_hil.campaigns.latency import HOPS, decisions_in, hops
from stopline_hil.campaigns.result import CampaignResult, CaseResult
from stopline_hil.campaigns.rig import Progress, Rig, street_of

if TYPE_CHECKING:
    from stopline_hil.campaigns.sumo import SumoStreet


def batches(campaign: Campaign) -> Iterator[list[Case]]:
    """Cases that run side by side; what hits a whole controller runs with the other protocol only."""
    alone: dict[str, list[Case]] = {}
    together: list[Case] = []
    for case in campaign.cases:
        if case.fault.scope == "controller":
            alone.setdefault(case.name, []).append(case)
        else:
            together.append(case)
    size = most = campaign.table.at_once * len(campaign.table.protocols)
    if street := street_of(campaign):
        # One junction each, and one for a bystander of each protocol where there are so many.
        most = len(street.signals)
        size = max(1, min(size, most - len(campaign.table.protocols)))
    for first in range(0, len(together), size):
        yield together[first : first + size]
    # The fault hits all of them, so it is let loose once, and judged at each.
    for cases in alone.values():
        for first in range(0, len(cases), most):
            yield cases[first : first + most]


async def run_campaign(campaign: Campaign, folder: Path, progress: Progress) -> CampaignResult:
    """Run every case; the controllers' files stay in `folder`.

    Raises:
        CabinetError: a port cannot be opened.
        ControllerDied: the controller does not start.
    """
    began = time.monotonic()
    results: list[CaseResult] = []
    streets: list[SumoStreet] = []
    latencies: dict[str, list[float]] = {hop: [] for hop in HOPS}
    for number, cases in enumerate(batches(campaign), start=1):
        place = folder / f"batch-{number:02d}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        rig = Rig(campaign, cases, place)
        results += await rig.run(progress)
        streets += [rig.street] if rig.street else []
        for hop, samples in _latencies(rig, place, campaign.table.rate).items():
            latencies[hop] += samples
    return CampaignResult(
        name=campaign.table.name,
        street=_told(campaign.table.street, streets),
        rate=campaign.table.rate,
        seed=campaign.table.seed,
        wall_s=time.monotonic() - began,
        cases=_merged(results),
        hops=latencies,
    )


def _told(name: str, streets: Sequence[SumoStreet]) -> str:
    if not streets:
        return name
    vehicles, behind = max(s.vehicles for s in streets), max(s.behind for s in streets)
    return (
        f"{name} in SUMO: up to {vehicles} vehicles at its detectors, at most {behind} s behind the cabinets"
    )


def _latencies(rig: Rig, place: Path, rate: float) -> Mapping[str, list[float]]:
    """Of the junctions nothing failed at."""
    found: dict[str, list[float]] = {hop: [] for hop in HOPS}
    quiet = [case for case in rig.cases if case.fault.name == "none"]
    decided: Mapping[str, list[float]] = decisions_in(place / "site" / "state") if quiet else {}
    for case in quiet:
        for hop, samples in hops(rig.lanes[case.key].record.moments, decided.get(case.key, []), rate).items():
            found[hop] += samples
    return found


def _merged(results: list[CaseResult]) -> tuple[CaseResult, ...]:
    """Bystanders of all batches at the end, each with the number of its batch."""
    stood = [result for result in results if result.name == "bystander"]
    return (*(result for result in results if result.name != "bystander"), *stood)
