"""Stages from a program's green phases, made legal where the program is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stopline_envs.plans.findings import Finding, FindingKind
from stopline_envs.plans.grouping import SHOWS, AspectMap, Group, GroupConflicts
from stopline_envs.plans.net import Program
from stopline_signals.errors import NetworkError
from stopline_signals.plan import Aspect

CLEARANCE_PHASE_S = 10.0
"""A phase shorter than this that shows less than its neighbour only clears or staggers that neighbour."""


@dataclass(frozen=True, slots=True)
class Staging:
    """Legal stages, and the stages each phase stands for (none for a transitional phase)."""

    stages: tuple[AspectMap, ...]
    of_phase: tuple[tuple[int, ...], ...]
    findings: tuple[Finding, ...]


def stages_of(
    program: Program, groups: Sequence[Group], conflicts: GroupConflicts, *, strict: bool
) -> Staging:
    """Derive stages in program order; a stage with conflicting greens is split, with a finding.

    Raises:
        NetworkError: no phase shows green, or `strict` and a phase lets conflicting groups go.
    """
    shown = [_shown(groups, phase) for phase in range(len(program.phases))]
    chosen = [k for k in range(len(shown)) if _is_stage(program, groups, shown, k)]
    chosen += _promoted(program, groups, shown, chosen)
    if not chosen:
        raise NetworkError(f"{program.where}: no phase shows green; give the signal another program")
    stages: list[AspectMap] = []
    findings: list[Finding] = []
    of_phase: list[tuple[int, ...]] = [()] * len(shown)
    for phase in sorted(chosen):
        legal = [shown[phase]]
        clash = conflicts.clash(shown[phase])
        if clash is not None:
            finding = _finding(program, phase, groups, clash)
            if strict:
                raise NetworkError(f"{program.where}, phase {phase}: {finding.message}; correct the program")
            findings.append(finding)
            legal = _legal_parts(shown[phase], conflicts)
        of_phase[phase] = tuple(_place(stages, part) for part in legal)
    _serve_the_rest(stages, shown, conflicts)
    return Staging(tuple(stages), tuple(of_phase), tuple(findings))


def _shown(groups: Sequence[Group], phase: int) -> AspectMap:
    return {i: SHOWS[g.column[phase]] for i, g in enumerate(groups) if g.column[phase] in SHOWS}


def _is_stage(program: Program, groups: Sequence[Group], shown: Sequence[AspectMap], phase: int) -> bool:
    if not shown[phase] or any(group.column[phase] in "yYu" for group in groups):
        return False
    duration = program.phases[phase].duration
    if duration >= CLEARANCE_PHASE_S:
        return True
    return not any(
        _shows_less(shown[phase], shown[other]) and duration < program.phases[other].duration
        for other in _neighbours(shown, phase)
    )


def _neighbours(shown: Sequence[AspectMap], phase: int) -> Iterator[int]:
    """The nearest phase with another picture before and after, around the cycle."""
    count = len(shown)
    for way in (-1, 1):
        for step in range(1, count):
            other = (phase + way * step) % count
            if shown[other] and shown[other] != shown[phase]:
                yield other
                break


def _shows_less(these: AspectMap, those: AspectMap) -> bool:
    return these != those and all(those.get(group, Aspect.RED) >= aspect for group, aspect in these.items())


def _promoted(
    program: Program, groups: Sequence[Group], shown: Sequence[AspectMap], chosen: Sequence[int]
) -> list[int]:
    """Transitional phases that are the only ones in which some group is green."""
    served = {group for phase in chosen for group in shown[phase]}
    extra: list[int] = []
    for group in range(len(groups)):
        if group not in served and groups[group].served:
            best = max(
                (k for k in range(len(shown)) if group in shown[k]), key=lambda k: program.phases[k].duration
            )
            extra.append(best)
            served |= set(shown[best])
    return extra


def _legal_parts(aspects: AspectMap, conflicts: GroupConflicts) -> list[AspectMap]:
    """One or more legal stages in place of one with conflicts.

    A permissive group that does not wait for a protected one is dropped; of two protected ones a turn that
    can wait is made permissive; what still conflicts is parted into the fewest stages.
    """
    eased = dict(aspects)
    while (clash := conflicts.clash(eased)) is not None:
        first, second = clash
        if eased[first] is not eased[second]:
            del eased[min(clash, key=lambda group: eased[group])]
        elif _eases(eased, conflicts, first, second):
            eased[first] = Aspect.PERMISSIVE
        elif _eases(eased, conflicts, second, first):
            eased[second] = Aspect.PERMISSIVE
        else:
            break
    parts: list[AspectMap] = []
    unserved = set(eased)
    while unserved:
        order = sorted(
            eased, key=lambda group: (group not in unserved, -len(conflicts.groups[group].links), group)
        )
        part = _grown(order, eased, conflicts)
        unserved -= set(part)
        parts.append(part)
    return parts


def _grown(order: Sequence[int], aspects: AspectMap, conflicts: GroupConflicts) -> AspectMap:
    """The groups of a stage that go together, taken in order while they do."""
    part: dict[int, Aspect] = {}
    for group in order:
        trial = {**part, group: aspects[group]}
        if conflicts.clash(trial) is None:
            part = trial
    return dict(sorted(part.items()))


def _serve_the_rest(stages: list[AspectMap], shown: Sequence[AspectMap], conflicts: GroupConflicts) -> None:
    """A stage of its own, with what fits beside it, for a group that lost its place in all others."""
    served = {group for stage in stages for group in stage}
    for group in range(len(conflicts.groups)):
        if group not in served:
            aspects = next(aspects for aspects in shown if group in aspects)
            part = _grown([group, *sorted(set(aspects) - {group})], aspects, conflicts)
            served |= set(part)
            _place(stages, part)


def _eases(aspects: AspectMap, conflicts: GroupConflicts, first: int, second: int) -> bool:
    return aspects[first] is Aspect.GREEN and conflicts.could_give_way(first, second)


def _place(stages: list[AspectMap], part: AspectMap) -> int:
    if part not in stages:
        stages.append(part)
    return stages.index(part)


def _finding(program: Program, phase: int, groups: Sequence[Group], clash: tuple[int, int]) -> Finding:
    first, second = (groups[group].name for group in clash)
    return Finding(
        signal=program.tls,
        kind=FindingKind.UNSAFE_PHASE,
        phase=phase,
        message=f"{first} and {second} conflict and both have green ({program.phases[phase].state})",
    )
