"""Signal plans for every signal of any SUMO network, with no per-signal configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from stopline_envs.plans.actuated import with_actuated_times
from stopline_envs.plans.clearance import change_of, conflict_paths, intergreens
from stopline_envs.plans.findings import Finding, FindingKind
from stopline_envs.plans.fixed import fixed_program
from stopline_envs.plans.grouping import SHOWS, Group, GroupConflicts, groups_of
from stopline_envs.plans.movements import RightOfWay, SignalMovements, movements_of
from stopline_envs.plans.nema import stage_names, unrolled, with_nema_times
from stopline_envs.plans.net import Network, Program, read_network
from stopline_envs.plans.oncoming import oncoming_groups
from stopline_envs.plans.staging import Staging, stages_of
from stopline_envs.plans.zones import Zone, detectors_of
from stopline_envs.sensor_profiles import ZONES, SensorProfile
from stopline_signals.errors import NetworkError
from stopline_signals.plan import Aspect, ConflictPath, GroupKind, SignalGroup, SignalPlan, Stage
from stopline_signals.timing import WALK_S, tenths

LEAST_WALK_S = 4.0
MIN_GREEN_S = 5.0
MAX_GREEN_S = 60.0
MAX_RED_S = 120.0
LONGEST_RED_S = 180.0
RED_MARGIN_S = 15.0
"""Added to a program's own longest red, because its clearances grow."""
NOT_FOR_ROADS = frozenset({"rail_signal", "rail_crossing", "railSignal", "railCrossing", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSet:
    """The plans of a network, what was put right, where each detector looks, and the programs as they were.

    `zones` is keyed by (signal, detector name); `programs` holds each signal's own program untouched, for the
    benchmark row that replays it; `movements` what each state character of a signal stands for.
    """

    network: Network = field(repr=False)
    plans: Mapping[str, SignalPlan]
    findings: tuple[Finding, ...]
    zones: Mapping[tuple[str, str], Zone] = field(repr=False)
    programs: Mapping[str, Program] = field(repr=False)
    movements: Mapping[str, SignalMovements] = field(repr=False)


def read_plans(
    net_path: Path | str,
    additional: Iterable[Path | str] = (),
    *,
    strict: bool = False,
    sensors: SensorProfile = ZONES,
) -> PlanSet:
    """Read a network and make a plan for each of its road signals, with detectors of a profile.

    Programs in `additional` files win over the net's, the last one loaded over earlier ones, as in SUMO.

    Raises:
        NetworkError: unreadable file, no signal, or (strict) a phase that lets conflicting groups go.
    """
    network = read_network(net_path, additional)
    right_of_way = RightOfWay(network)
    found = movements_of(network, right_of_way)
    plans: dict[str, SignalPlan] = {}
    zones: dict[tuple[str, str], Zone] = {}
    programs: dict[str, Program] = {}
    signals: dict[str, SignalMovements] = {}
    findings: list[Finding] = []
    for tls, movements in found.items():
        given = _program_of(network, tls, findings)
        if given is None:
            continue
        program = unrolled(given)
        signal = SignalMovements(tls, movements, right_of_way)
        _check_width(program, signal)
        made = _plan_of(network, signal, program, sensors, strict=strict)
        if made is None:
            findings.append(
                Finding(signal=tls, kind=FindingKind.UNCONTROLLED, message="no phase shows green")
            )
            continue
        plan, own_zones, own_findings = made
        plan = with_actuated_times(with_nema_times(plan, given), given)
        plans[tls], programs[tls], signals[tls] = plan, program, signal
        findings += own_findings
        if len(plan.stages) == 1:
            message = "its program has one stage, so there is nothing to decide; add phases with netconvert"
            findings.append(Finding(signal=tls, kind=FindingKind.ONE_STAGE, message=message))
        zones.update({(tls, name): zone for name, zone in own_zones.items()})
    if not plans:
        raise NetworkError(f"{network.path}: no road signal with a program; add one with netconvert")
    return PlanSet(
        network=network,
        plans=plans,
        findings=tuple(findings),
        zones=zones,
        programs=programs,
        movements=signals,
    )


def _program_of(network: Network, tls: str, findings: list[Finding]) -> Program | None:
    programs = [program for program in network.programs.get(tls, ()) if program.kind not in NOT_FOR_ROADS]
    if programs:
        return programs[-1]
    rail = network.junctions[tls].kind in NOT_FOR_ROADS if tls in network.junctions else False
    if not rail:
        message = "controls movements but has no program; it is left alone"
        findings.append(Finding(signal=tls, kind=FindingKind.NO_PROGRAM, message=message))
    return None


def _check_width(program: Program, signal: SignalMovements) -> None:
    needed = 1 + max(movement.link for movement in signal.movements)
    for index, phase in enumerate(program.phases):
        if len(phase.state) < needed:
            raise NetworkError(
                f"{program.where}, phase {index}: state {phase.state!r} has {len(phase.state)} characters, "
                f"but the network has links up to index {needed - 1}; correct the program"
            )


def _plan_of(
    network: Network, signal: SignalMovements, program: Program, sensors: SensorProfile, *, strict: bool
) -> tuple[SignalPlan, dict[str, Zone], list[Finding]] | None:
    states = [phase.state for phase in program.phases]
    every = groups_of(signal, states)
    groups = tuple(group for group in every if group.served)
    if not groups:
        return None
    findings = [_never_green(signal.tls, group) for group in every if not group.served]
    conflicts = GroupConflicts(signal, groups)
    staging = stages_of(program, groups, conflicts, strict=strict)
    detectors, zones = detectors_of(network, groups, signal.movements, sensors)
    paths = conflict_paths(signal.movements, conflicts)
    signal_groups = _with_oncoming(
        _signal_groups(signal, groups, program, paths), oncoming_groups(signal, conflicts)
    )
    plan = SignalPlan(
        junction=signal.tls,
        groups=signal_groups,
        stages=tuple(map(_stage, stage_names(program, staging), staging.stages)),
        intergreen=intergreens(signal_groups, paths),
        yields=_yields(conflicts, staging),
        detectors=detectors,
        paths=paths,
        program=fixed_program(program, staging),
        source=f"{network.path.name}, program {program.program!r}",
    )
    return plan, zones, [*findings, *staging.findings]


def _never_green(tls: str, group: Group) -> Finding:
    message = f"{group.name} is red in every phase; it is left out and stays red"
    return Finding(signal=tls, kind=FindingKind.NEVER_GREEN, message=message)


def _stage(name: str, aspects: Mapping[int, Aspect]) -> Stage:
    protected = tuple(group for group, aspect in aspects.items() if aspect is Aspect.GREEN)
    permissive = tuple(group for group, aspect in aspects.items() if aspect is Aspect.PERMISSIVE)
    return Stage(name, protected, permissive)


def _signal_groups(
    signal: SignalMovements, groups: tuple[Group, ...], program: Program, paths: tuple[ConflictPath, ...]
) -> tuple[SignalGroup, ...]:
    shares: dict[str, int] = {}
    for group in groups:
        for lane in _lanes(signal, group):
            shares[lane] = shares.get(lane, 0) + 1
    far = [0.0] * len(groups)
    for path in paths:
        far[path.ending] = max(far[path.ending], path.clearing_m)
    return tuple(
        _signal_group(signal, group, program, shares, far[number]) for number, group in enumerate(groups)
    )


def _signal_group(
    signal: SignalMovements, group: Group, program: Program, shares: Mapping[str, int], far: float
) -> SignalGroup:
    own = [signal.movements[index] for index in group.members]
    longest_green = max(_runs(program, group, green=True), default=0.0)
    longest_red = max(_runs(program, group, green=False), default=0.0)
    common = SignalGroup(
        name=group.name,
        kind=group.kind,
        min_green=tenths(MIN_GREEN_S),
        max_green=tenths(min(max(MAX_GREEN_S, longest_green), MAX_RED_S)),
        max_red=tenths(min(max(MAX_RED_S, longest_red + RED_MARGIN_S), LONGEST_RED_S)),
        approach=group.approach,
        links=group.links,
        crossing=far,
    )
    change = max(change_of(movement) for movement in own)
    if group.kind is GroupKind.PEDESTRIAN:
        walk = min(WALK_S, max(LEAST_WALK_S, min(_runs(program, group, green=True), default=0.0)))
        length = max(movement.way.length for movement in own)
        return replace(common, walk=tenths(walk), clearance=change, on_demand=True, crossing=length)
    drivers = [movement for movement in own if movement.kind is not GroupKind.PEDESTRIAN]
    speed = max(movement.way.approach_speed for movement in drivers)
    lanes = sum(1 / shares[lane] for lane in _lanes(signal, group))
    return replace(common, yellow=change, lanes=round(lanes, 3), speed=speed)


def _with_oncoming(
    groups: tuple[SignalGroup, ...], oncoming: Mapping[int, tuple[int, ...]]
) -> tuple[SignalGroup, ...]:
    return tuple(
        replace(group, oncoming=tuple(groups[other].name for other in oncoming.get(index, ())))
        for index, group in enumerate(groups)
    )


def _lanes(signal: SignalMovements, group: Group) -> set[str]:
    return {signal.movements[index].connection.source for index in group.members}


def _runs(program: Program, group: Group, *, green: bool) -> list[float]:
    """Lengths of the unbroken greens (or of what lies between them) of a group around the cycle, s."""
    runs: list[tuple[bool, float]] = []
    for character, phase in zip(group.column, program.phases, strict=True):
        shows = character in SHOWS
        length = phase.duration if phase.longest is None or not shows else phase.longest
        if runs and runs[-1][0] == shows:
            runs[-1] = (shows, runs[-1][1] + length)
        else:
            runs.append((shows, length))
    if len(runs) > 1 and runs[0][0] == runs[-1][0]:
        runs[0] = (runs[0][0], runs[0][1] + runs.pop()[1])
    return [length for shows, length in runs if shows is green]


def _yields(conflicts: GroupConflicts, staging: Staging) -> tuple[tuple[bool, ...], ...]:
    """Who gives way to whom while permissive.

    Two permissive groups that give way to each other at different crossings (two shared lanes, each with a
    left turn) count as yielding both ways where a stage shows them so.
    """
    count = range(len(conflicts.groups))
    mutual = {pair for aspects in staging.stages for pair in _both_permissive(aspects)}
    return tuple(
        tuple(
            i != j
            and (
                conflicts.gives_way(i, j)
                or ((i, j) in mutual and conflicts.conflicts(i, j) and _neither(conflicts, i, j))
            )
            for j in count
        )
        for i in count
    )


def _neither(conflicts: GroupConflicts, first: int, second: int) -> bool:
    one_sided = conflicts.gives_way(first, second) or conflicts.gives_way(second, first)
    return not one_sided and conflicts.each_pair_settled(first, second)


def _both_permissive(aspects: Mapping[int, Aspect]) -> list[tuple[int, int]]:
    waiting = [group for group, aspect in aspects.items() if aspect is Aspect.PERMISSIVE]
    return [(i, j) for i in waiting for j in waiting if i != j]
