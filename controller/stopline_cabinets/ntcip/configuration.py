"""What is programmed in a cabinet, and whether the signal plan may be run there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stopline_cabinets.ntcip.groups import GroupMap
from stopline_cabinets.ntcip.masks import groups_for, mask_of, numbers_in
from stopline_cabinets.ntcip.objects import cell, scalar
from stopline_cabinets.preempts import preempts_of
from stopline_cabinets.snmp.codec import Oid, Value
from stopline_cabinets.snmp.errors import UnexpectedAnswer
from stopline_cabinets.snmp.peer import Peer
from stopline_signals.plan import NO_CONFLICT, GroupKind

SET_ID = scalar("globalSetIDParameter")
_COUNTS = tuple(
    scalar(name)
    for name in (
        "maxPhases",
        "maxPreempts",
        "maxVehicleDetectors",
        "maxOverlaps",
        "maxPatterns",
        "volumeOccupancyPeriod",
        "activeVolumeOccupancyDetectors",
    )
)
MOST_PHASES = 64
"""Phases looked at; no controller has more."""
ENABLED = 1
"""Bit 0 of phaseOptions."""


class PhaseTimes(NamedTuple):
    """A phase's times in tenths."""

    walk: int
    ped_clear: int
    min_green: int
    yellow: int
    red_clear: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What the driver needs to know of a cabinet's database; masks are of phases."""

    set_id: int | None
    max_phases: int
    max_preempts: int
    max_detectors: int
    max_overlaps: int
    max_patterns: int
    volume_period: int
    """Seconds; 0 without volumes."""
    enabled: int
    rings: Mapping[int, int]
    concurrency: Mapping[int, int]
    times: Mapping[int, PhaseTimes]
    dwells: Mapping[int, int]
    """By preempt, the phases it dwells in."""
    presences: Mapping[int, int]
    """By preempt, its longest presence in seconds; 0 is for ever."""

    @property
    def phase_groups(self) -> int:
        """Groups of eight that hold the enabled phases."""
        return groups_for(max(self.enabled.bit_length(), 1))


class Difference(NamedTuple):
    """Something in which cabinet and plan differ; `serious` ones must keep control from starting."""

    text: str
    serious: bool


async def read_configuration(peer: Peer, groups: GroupMap) -> Configuration:
    """Read it; a few messages at most devices, some seconds at those that take one object at a time."""
    values = await peer.get_available((*_COUNTS, SET_ID))
    counts = [_number(values, oid) for oid in _COUNTS]
    phases = range(1, min(counts[0], MOST_PHASES) + 1)
    columns = ("phaseOptions", "phaseRing", "phaseConcurrency")
    table = await peer.get_available([cell(column, p) for p in phases for column in columns])
    planned = [phase for phase in numbers_in(groups.phases) if phase in phases]
    times = await peer.get([cell(column, p) for p in planned for column in _TIMES])
    set_id = values.get(SET_ID)
    preempts = range(1, min(counts[1], WATCHED_PREEMPTS) + 1)
    rows = await peer.get_available([cell(column, n) for n in preempts for column in _PREEMPT])
    return Configuration(
        set_id=set_id if isinstance(set_id, int) else None,
        max_phases=counts[0],
        max_preempts=counts[1],
        max_detectors=counts[2],
        max_overlaps=counts[3],
        max_patterns=counts[4],
        volume_period=counts[5] if counts[6] else 0,
        enabled=mask_of(p for p in phases if _enabled(table, p)),
        rings={p: _number(table, cell("phaseRing", p)) for p in phases},
        concurrency={p: _list(table, cell("phaseConcurrency", p)) for p in phases},
        times={p: _times(times, p) for p in planned},
        dwells={n: _list(rows, cell("preemptDwellPhase", n)) for n in preempts},
        presences={n: _number(rows, cell("preemptMaximumPresence", n)) for n in preempts},
    )


def differences(groups: GroupMap, found: Configuration) -> list[Difference]:
    """Where the cabinet is not what the plan says, the serious ones first."""
    found_all = [*_missing(groups, found), *_apart(groups, found), *_times_off(groups, found)]
    return sorted(found_all, key=lambda difference: not difference.serious)


def preempt_objection(groups: GroupMap, found: Configuration, number: int) -> str:
    """Why a preempt of the cabinet must not be asked for; empty when it is the one the plan means."""
    planned = preempts_of(groups.plan)
    if not 1 <= number <= len(planned) or number not in found.dwells:
        return f"the cabinet has preempts 1..{len(found.dwells)}, the plan 1..{len(planned)}, not {number}"
    stage = planned[number - 1].dwell
    if found.dwells[number] != groups.stage_phases[stage]:
        there = "+".join(map(str, numbers_in(found.dwells[number]))) or "nothing"
        name = groups.plan.stages[stage].name
        return f"preempt {number} dwells in phases {there} in the cabinet, in stage {name} in the plan"
    if not found.presences[number]:
        return f"preemptMaximumPresence of preempt {number} is 0: a lost release would hold it for ever"
    return ""


_PREEMPT = ("preemptDwellPhase", "preemptMaximumPresence")
WATCHED_PREEMPTS = 8
"""Preempts that are looked at; a cabinet with more has the rest for transit priority."""
_TIMES: Mapping[str, int] = {
    "phaseWalk": 10,
    "phasePedestrianClear": 10,
    "phaseMinimumGreen": 10,
    "phaseYellowChange": 1,
    "phaseRedClear": 1,
}
"""Columns in the order of `PhaseTimes`, with the tenths in their unit."""


def _missing(groups: GroupMap, found: Configuration) -> Iterator[Difference]:
    for phase in numbers_in(groups.phases & ~found.enabled):
        yield Difference(f"phase {phase} is not enabled in the cabinet", True)
    if groups.highest_overlap > found.max_overlaps:
        text = f"the plan has overlap {groups.highest_overlap}, the cabinet {found.max_overlaps} overlaps"
        yield Difference(text, True)
    for phase in numbers_in(found.enabled & ~groups.phases):
        yield Difference(f"phase {phase} of the cabinet is not in the plan and will be omitted", False)


def _apart(groups: GroupMap, found: Configuration) -> Iterator[Difference]:
    """Stages whose phases the cabinet never runs together."""
    for stage, mask in zip(groups.plan.stages, groups.stage_phases, strict=True):
        phases = list(numbers_in(mask & found.enabled))
        for index, one in enumerate(phases):
            for other in phases[index + 1 :]:
                together = found.concurrency.get(one, 0) >> other - 1 & 1
                together |= found.concurrency.get(other, 0) >> one - 1 & 1
                if not together or found.rings[one] == found.rings[other]:
                    text = f"the cabinet does not run phases {one} and {other} together (stage {stage.name})"
                    yield Difference(text, True)


def _times_off(groups: GroupMap, found: Configuration) -> Iterator[Difference]:
    for index, (group, phase) in enumerate(zip(groups.plan.groups, groups.phase_of, strict=True)):
        times = found.times.get(phase)
        if times is None:
            continue
        if group.kind is GroupKind.PEDESTRIAN:
            pairs = [("walk", times.walk, group.walk), ("ped clear", times.ped_clear, group.clearance)]
        else:
            pairs = [("yellow", times.yellow, group.yellow)]
            pairs.append(("yellow and red clear", times.yellow + times.red_clear, _clearance(groups, index)))
            pairs.append(("min green", times.min_green, group.min_green))
        for name, there, here in pairs:
            if there != here:
                serious = there < here and name not in ("min green", "walk")
                text = f"phase {phase} {name} is {there / 10:g} s in the cabinet, {here / 10:g} s in the plan"
                yield Difference(text, serious)


def _clearance(groups: GroupMap, group: int) -> int:
    """The plan's longest time from the end of the group's green to another vehicle's."""
    return max(
        (
            value
            for other, value in enumerate(groups.plan.intergreen[group])
            if value != NO_CONFLICT and groups.plan.groups[other].kind is not GroupKind.PEDESTRIAN
        ),
        default=0,
    )


def _enabled(table: Mapping[Oid, Value], phase: int) -> bool:
    return bool(_number(table, cell("phaseOptions", phase)) & ENABLED) and bool(
        _number(table, cell("phaseRing", phase))
    )


def _times(values: Mapping[Oid, Value], phase: int) -> PhaseTimes:
    return PhaseTimes._make(unit * _number(values, cell(column, phase)) for column, unit in _TIMES.items())


def _number(values: Mapping[Oid, Value], oid: Oid) -> int:
    value = values.get(oid, 0)
    if not isinstance(value, int) or value < 0:
        raise UnexpectedAnswer(f"object {oid} is {value!r}, not a count")
    return value


def _list(values: Mapping[Oid, Value], oid: Oid) -> int:
    """A list of phase numbers, one octet each, as a mask."""
    value = values.get(oid, b"")
    octets: Sequence[int] = value if isinstance(value, bytes) else ()
    return mask_of(number for number in octets if 0 < number <= MOST_PHASES)
