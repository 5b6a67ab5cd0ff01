"""Level A: the splits of a spare pattern, written in a database transaction, then selected.

A pattern takes effect after the cabinet's own transition, one to three cycles, so this is for horizons of
minutes. Splits hold green, yellow and red clearance; yellow and red stay the cabinet's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stopline_cabinets.ntcip.configuration import PhaseTimes
from stopline_cabinets.ntcip.groups import GroupMap
from stopline_cabinets.ntcip.masks import numbers_in
from stopline_cabinets.ntcip.objects import cell, scalar
from stopline_cabinets.snmp.codec import VarBind, integer
from stopline_cabinets.snmp.errors import UnexpectedAnswer
from stopline_cabinets.snmp.peer import Peer
from stopline_signals.errors import CabinetError, CabinetRefused, CabinetTimeout

TRANSACTION = scalar("dbCreateTransaction")
VERIFY_STATUS = scalar("dbVerifyStatus")
VERIFY_ERROR = scalar("dbVerifyError")
NORMAL, OPEN, VERIFYING, DONE = 1, 2, 3, 6
VERIFIED = 2
NO_SPLIT_MODE = 2
"""splitMode none: no recall, not omitted."""
VERIFY_S = 10.0
"""Real seconds a cabinet has to verify a transaction."""
POLL_S = 0.1
SPARE_PATTERNS = range(1, 254)
LONGEST = 255
"""Seconds a cycle or a split may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """A pattern in whole seconds: the numbers of a spare pattern and a spare split table, and their times."""

    pattern: int
    split_table: int
    cycle: int
    offset: int = 0
    splits: Mapping[int, int]
    coordinated: int
    """The phase that keeps the offset."""
    sequence: int = 1


class TransactionRefused(CabinetRefused):
    """The cabinet did not take a change of its database; nothing of it is in force."""


def timing_of(
    groups: GroupMap, stages: Sequence[tuple[int, int]], *, pattern: int, split_table: int, coordinated: int
) -> Timing:
    """The splits under which the stages run one after the other; (stage, seconds with its clearance) each.

    Every phase gets the time of all stages it is in, so every ring adds up to the cycle.
    """
    splits = dict.fromkeys(numbers_in(groups.phases), 0)
    for stage, seconds in stages:
        for phase in numbers_in(groups.stage_phases[stage]):
            splits[phase] += seconds
    return Timing(
        pattern=pattern,
        split_table=split_table,
        cycle=sum(seconds for _, seconds in stages),
        splits=splits,
        coordinated=coordinated,
    )


def problems(
    timing: Timing, times: Mapping[int, PhaseTimes], rings: Mapping[int, int], walking: int
) -> list[str]:
    """What a cabinet would refuse: a split below its phase's minimums, rings that miss the cycle.

    `walking` are the phases with pedestrians (mask).
    """
    found: list[str] = []
    if timing.pattern not in SPARE_PATTERNS:
        found.append(f"pattern {timing.pattern} is not one of 1..253")
    if max(timing.cycle, *timing.splits.values()) > LONGEST:
        found.append(f"cycle and splits can be {LONGEST} s at most")
    if not timing.splits.get(timing.coordinated):
        found.append(f"coordinated phase {timing.coordinated} has no split")
    for phase, split in timing.splits.items():
        own = times[phase]
        crossing = own.walk + own.ped_clear if walking >> phase - 1 & 1 else 0
        least = max(own.min_green, crossing) + own.yellow + own.red_clear
        if 0 < split * 10 < least:
            found.append(f"split of phase {phase} is {split} s, its minimums take {least / 10:g} s")
    for ring in sorted({rings[phase] for phase in timing.splits}):
        total = sum(split for phase, split in timing.splits.items() if rings[phase] == ring)
        if total != timing.cycle:
            found.append(f"ring {ring} adds up to {total} s, the cycle is {timing.cycle} s")
    return found


async def load(peer: Peer, timing: Timing) -> None:
    """Write the pattern and its splits, all or nothing.

    Raises:
        TransactionRefused: with the cabinet's own words.
    """
    table = timing.split_table
    entries = [integer(cell("patternCycleTime", timing.pattern), timing.cycle)]
    entries += [
        integer(cell("patternOffsetTime", timing.pattern), timing.offset),
        integer(cell("patternSplitNumber", timing.pattern), table),
        integer(cell("patternSequenceNumber", timing.pattern), timing.sequence),
    ]
    for phase, split in timing.splits.items():
        entries.append(integer(cell("splitTime", table, phase), split))
        entries.append(integer(cell("splitMode", table, phase), NO_SPLIT_MODE))
        entries.append(integer(cell("splitCoordPhase", table, phase), int(phase == timing.coordinated)))
    async with transaction(peer):
        await peer.set(lambda: entries)


@asynccontextmanager
async def transaction(peer: Peer) -> AsyncGenerator[None, None]:
    """A database transaction, verified at its end and always closed: an open one locks everybody out."""
    state = await _state_other_than(peer, VERIFYING)
    if state not in (NORMAL, DONE):
        raise TransactionRefused(f"{peer.name}: another system has a transaction open (state {state})")
    try:
        await _put(peer, OPEN)
        yield
        await _put(peer, VERIFYING)
        await _verified(peer)
    except BaseException:
        await asyncio.shield(_abandon(peer))
        raise
    await _put(peer, NORMAL)


async def _verified(peer: Peer) -> None:
    state = await _state_other_than(peer, VERIFYING)
    values = await peer.get_available((VERIFY_STATUS, VERIFY_ERROR))
    text = values.get(VERIFY_ERROR, b"")
    if state != DONE or values.get(VERIFY_STATUS, VERIFIED) != VERIFIED:
        said = text.decode("latin-1") if isinstance(text, bytes) and text else f"state {state}"
        raise TransactionRefused(f"{peer.name}: refuses the change of its database: {said}")


async def _abandon(peer: Peer) -> None:
    try:
        await _put(peer, NORMAL)
    except CabinetError:
        return  # the cabinet's own timer ends it; the first error is the one to report


async def _put(peer: Peer, state: int) -> None:
    binding: VarBind = integer(TRANSACTION, state)
    await peer.set(lambda: [binding])


async def _state_other_than(peer: Peer, passing: int) -> int:
    """The transaction's state once it is past a passing one."""
    deadline = asyncio.get_running_loop().time() + VERIFY_S
    while asyncio.get_running_loop().time() < deadline:
        state = (await peer.get((TRANSACTION,)))[TRANSACTION]
        if not isinstance(state, int):
            raise UnexpectedAnswer(f"{peer.name}: dbCreateTransaction is {state!r}")
        if state != passing:
            return state
        await asyncio.sleep(POLL_S)
    raise CabinetTimeout(f"{peer.name}: still verifies its database after {VERIFY_S:g} s")
