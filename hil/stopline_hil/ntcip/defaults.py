"""The database of a new controller: every parameter as its signal plan has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stopline_cabinets.ntcip.feeds import Feed
from stopline_cabinets.preempts import preempts_of
from stopline_cabinets.snmp.codec import Value
from stopline_hil.ntcip.coordination import local_splits
from stopline_hil.ntcip.phases import Phases, numbers_in
from stopline_hil.ntcip.size import ACTIONS, PATTERNS, SEQUENCES, SPLITS, Size
from stopline_signals.plan import Detector, DetectorKind, Preempt, Recall, SignalPlan

Key = tuple[str, tuple[int, ...]]
Pair = tuple[Key, Value]

ENABLED, MIN_RECALL, MAX_RECALL, PED_RECALL, SOFT_RECALL, DUAL_ENTRY = 0, 6, 7, 8, 9, 10
"""Bits of phaseOptions."""

VOLUME, OCCUPANCY, PASSAGE, CALL = 0, 1, 4, 7
"""Bits of vehicleDetectorOptions."""

_RECALLS = {Recall.MIN: MIN_RECALL, Recall.MAX: MAX_RECALL, Recall.PED: PED_RECALL, Recall.SOFT: SOFT_RECALL}

STARTUP_GREEN, STARTUP_NOT_ON = 4, 2
MODE_NONE, MODE_MAX_RECALL = 2, 4
LOCAL_PATTERN = 1
"""The pattern that is the plan's own fixed program."""
FREE, FLASH = 254, 255
BACKUP_TIME_S = 15
STARTUP_FLASH_S = 0


def defaults(phases: Phases, size: Size, feeds: Mapping[str, Feed]) -> dict[Key, Value]:
    """All parameters, by object name and index; scalars have no index."""
    found: dict[Key, Value] = {}
    for pairs in (
        _unit(phases.given),
        _phases(phases),
        _detectors(phases, feeds),
        _coordination(phases),
        _preempts(phases),
        _structure(phases, size),
        _channels(phases),
        _time(),
    ):
        found.update(pairs)
    return found


def seconds(tenths: int) -> int:
    """Whole seconds, rounded up, as a one-byte object holds them."""
    return min(255, -(-tenths // 10))


def _unit(plan: SignalPlan) -> Iterator[Pair]:
    yield ("unitStartUpFlash", ()), STARTUP_FLASH_S
    yield ("unitAutoPedestrianClear", ()), 2
    yield ("unitBackupTime", ()), BACKUP_TIME_S
    yield ("unitRedRevert", ()), min(255, plan.red_revert)
    yield ("volumeOccupancyPeriod", ()), 60


def _phases(phases: Phases) -> Iterator[Pair]:
    for number in range(1, 17):
        for name, value in _phase(phases, number).items():
            yield (f"phase{name}", (number,)), value


def _phase(phases: Phases, number: int) -> dict[str, Value]:
    groups = phases.given.groups
    vehicles = [groups[g] for g in phases.vehicles.get(number, ())]
    peds = [groups[g] for g in phases.pedestrians.get(number, ())]
    maximum = seconds(max((group.max_green for group in vehicles), default=0))
    row: dict[str, Value] = {
        "Walk": seconds(max((group.walk for group in peds), default=0)),
        "PedestrianClear": seconds(max((group.clearance for group in peds), default=0)),
        "MinimumGreen": seconds(max((group.min_green for group in vehicles), default=0)),
        "Passage": min(255, max((group.passage for group in vehicles), default=0)),
        "Maximum1": maximum,
        "Maximum2": min(255, maximum * 3 // 2),
        "YellowChange": min(255, max((group.yellow for group in vehicles), default=0)),
        "RedClear": min(255, phases.red_clear(number)) if number in phases.numbers else 0,
        "RedRevert": min(255, phases.given.red_revert),
        "Startup": STARTUP_NOT_ON,
        "Options": _options(phases, number),
        "Ring": phases.ring_of.get(number, 0),
        "Concurrency": bytes(_concurrent(phases, number)),
    }
    for name in ("AddedInitial", "MaximumInitial", "TimeBeforeReduction", "CarsBeforeReduction"):
        row[name] = 0
    for name in ("TimeToReduce", "ReduceBy", "MinimumGap", "DynamicMaxLimit", "DynamicMaxStep"):
        row[name] = 0
    return row


def _options(phases: Phases, number: int) -> int:
    if number not in phases.numbers:
        return 0
    members = (*phases.vehicles[number], *phases.pedestrians[number])
    options = 1 << ENABLED
    for group in members:
        recall = phases.given.groups[group].recall
        options |= 1 << _RECALLS[recall] if recall in _RECALLS else 0
    watched = {detector.group for detector in phases.given.detectors}
    if phases.vehicles[number] and not any(group in watched for group in phases.vehicles[number]):
        options |= 1 << MAX_RECALL
    if any(side and side[-1] == number for ring in phases.rings for side in ring):
        options |= 1 << DUAL_ENTRY
    return options


def _concurrent(phases: Phases, number: int) -> list[int]:
    if number not in phases.numbers:
        return []
    return list(numbers_in(phases.all & ~phases.conflicting(number) & ~(1 << number - 1)))


def _detectors(phases: Phases, feeds: Mapping[str, Feed]) -> Iterator[Pair]:
    plan = phases.given
    for detector in plan.detectors:
        if detector.kind is DetectorKind.BUTTON:
            continue
        feed = feeds[detector.name]
        for number in (*feed.presence, *feed.queue):
            for name, value in _detector(phases, detector, queue=number in feed.queue).items():
                yield (f"vehicleDetector{name}", (number,)), value
    buttons = [detector for detector in plan.detectors if detector.kind is DetectorKind.BUTTON]
    for number, detector in enumerate(buttons, start=1):
        yield ("pedestrianDetectorCallPhase", (number,)), call_phase(phases, detector.group)
        for name in ("NoActivity", "MaxPresence", "ErraticCounts"):
            yield (f"pedestrianDetector{name}", (number,)), 0


def _detector(phases: Phases, detector: Detector, *, queue: bool) -> dict[str, int]:
    """What counts vehicles calls and, near the stop line, extends; what tells standing ones does neither."""
    options = 1 << OCCUPANCY
    if not queue:
        options |= 1 << CALL | 1 << VOLUME
        options |= 1 << PASSAGE if detector.kind is DetectorKind.NEAR_ZONE else 0
    row = {"Options": options, "CallPhase": call_phase(phases, detector.group)}
    for name in ("SwitchPhase", "Delay", "Extend", "QueueLimit", "NoActivity", "MaxPresence"):
        row[name] = 0
    return row | {"ErraticCounts": 0, "FailTime": 0, "Reset": 0}


def call_phase(phases: Phases, group: int) -> int:
    """The phase a detector of that group calls; for an overlap the first phase it is green with."""
    if phases.phase_of[group]:
        return phases.phase_of[group]
    for stage in phases.given.stages_serving(group):
        return next(iter(numbers_in(phases.stages[stage])), 0)
    return 0


def _coordination(phases: Phases) -> Iterator[Pair]:
    program = phases.given.program
    yield ("coordOperationalMode", ()), 0
    yield ("coordCorrectionMode", ()), 3
    yield ("coordMaximumMode", ()), 4
    yield ("coordForceMode", ()), 3
    splits = local_splits(phases)
    for number in range(1, PATTERNS + 1):
        local = number == LOCAL_PATTERN and program is not None
        yield ("patternCycleTime", (number,)), seconds(program.cycle) if local and program else 0
        yield ("patternOffsetTime", (number,)), program.offset // 10 % 255 if local and program else 0
        yield ("patternSplitNumber", (number,)), LOCAL_PATTERN if local and splits else 0
        yield ("patternSequenceNumber", (number,)), 1
    coordinated = {ring[0][-1] for ring in phases.rings if ring and ring[0]}
    for number in range(1, SPLITS + 1):
        for phase in range(1, 17):
            local = number == LOCAL_PATTERN and phase in splits
            yield ("splitTime", (number, phase)), seconds(splits[phase]) if local else 0
            yield ("splitMode", (number, phase)), MODE_MAX_RECALL if local else MODE_NONE
            yield ("splitCoordPhase", (number, phase)), int(phase in coordinated)


def _preempts(phases: Phases) -> Iterator[Pair]:
    for number, preempt in enumerate(preempts_of(phases.given), start=1):
        for name, value in _preempt(phases, preempt).items():
            yield (f"preempt{name}", (number,)), value


def _preempt(phases: Phases, preempt: Preempt) -> dict[str, Value]:
    """Its least greens and walks are the phases' own: 255 is never the lesser of the two."""
    yellow = min(255, max(group.yellow for group in phases.given.groups))
    red = min(255, max(phases.red_clear(number) for number in phases.numbers))
    track = () if preempt.track_clear is None else numbers_in(phases.stages[preempt.track_clear])
    dwell = list(numbers_in(phases.stages[preempt.dwell]))
    exits = numbers_in(phases.stages[preempt.exit_stages[0]]) if preempt.exit_stages else ()
    return {
        "Control": 0,
        "Link": 0,
        "Delay": min(600, -(-preempt.delay // 10)),
        "MinimumDuration": -(-preempt.min_duration // 10),
        "MinimumGreen": 255,
        "MinimumWalk": 255,
        "EnterPedClear": 255,
        "TrackGreen": 0 if preempt.track_clear is None else 10,
        "DwellGreen": max(1, seconds(preempt.min_duration)),
        "MaximumPresence": -(-preempt.max_presence // 10),
        "TrackPhase": bytes(track),
        "DwellPhase": bytes(dwell),
        "DwellPed": bytes(p for p in dwell if phases.pedestrians[p]),
        "ExitPhase": bytes(exits),
        "EnterYellowChange": yellow,
        "EnterRedClear": red,
        "TrackYellowChange": yellow,
        "TrackRedClear": red,
    }


def _structure(phases: Phases, size: Size) -> Iterator[Pair]:
    for sequence in range(1, SEQUENCES + 1):
        for ring in range(1, size.rings + 1):
            listed = (
                bytes(phase for side in phases.rings[ring - 1] for phase in side) if phases.rings else b""
            )
            own = bytes(phase for phase in phases.numbers if phases.ring_of[phase] == ring)
            yield ("sequenceData", (sequence, ring)), listed or own
    for number, group in phases.overlaps.items():
        included = 0
        for stage in phases.given.stages_serving(group):
            included |= phases.stages[stage]
        yield ("overlapType", (number,)), 2
        yield ("overlapIncludedPhases", (number,)), bytes(numbers_in(included))
        yield ("overlapModifierPhases", (number,)), b""
        yield ("overlapTrailGreen", (number,)), 0
        yield ("overlapTrailYellow", (number,)), min(255, phases.given.groups[group].yellow)
        yield ("overlapTrailRed", (number,)), 0


def _channels(phases: Phases) -> Iterator[Pair]:
    """Channel n is the plan's n-th group."""
    overlap_of = {group: number for number, group in phases.overlaps.items()}
    for group, phase in enumerate(phases.phase_of):
        pedestrian = group in phases.pedestrians.get(phase, ())
        kind = 4 if group in overlap_of else 3 if pedestrian else 2
        yield ("channelControlSource", (group + 1,)), overlap_of.get(group, phase)
        yield ("channelControlType", (group + 1,)), kind
        yield ("channelFlash", (group + 1,)), 0
        yield ("channelDim", (group + 1,)), 0


def _time() -> Iterator[Pair]:
    yield ("timebaseAscPatternSync", ()), 0
    for number in range(1, ACTIONS + 1):
        yield ("timebaseAscPattern", (number,)), LOCAL_PATTERN if number == 1 else FREE
        yield ("timebaseAscAuxillaryFunction", (number,)), 0
        yield ("timebaseAscSpecialFunction", (number,)), 0
    yield ("globalDaylightSaving", ()), 2
    yield ("globalLocalTimeDifferential", ()), 0
