"""SUMO's NEMA programs: rings and barriers unrolled into the phases a static program would have.

A NEMA <tlLogic> gives one <phase> for each NEMA phase and the rings as parameters. `unrolled` plays the rings
at their splits, with yellow and red clearance; pairs of phases that are legal but do not come up at those
splits follow with no duration, so that they become stages. `with_nema_times` then gives groups their phase's
times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from stopline_envs.plans.net import Phase, Program
from stopline_envs.plans.staging import Staging
from stopline_signals.errors import NetworkError
from stopline_signals.plan import NO_CONFLICT, GroupKind, Recall, SignalGroup, SignalPlan
from stopline_signals.timing import tenths

KIND = "NEMA"
Sides = list[list[list[int]]]
"""sides[b][r]: the phase numbers of ring r between two barriers."""


@dataclass(frozen=True, slots=True)
class Turn:
    """When a phase runs, in seconds of the cycle, and which phase its ring runs after it."""

    phase: int
    start: float
    yellow_at: float
    red_at: float
    end: float
    following: int


def unrolled(program: Program) -> Program:
    """The program with one phase for every picture its rings show; others than NEMA are returned as they are.

    Raises:
        NetworkError: a ring names a phase that is not there, or the rings do not cross the barriers together.
    """
    if program.kind != KIND:
        return program
    numbered = _numbered(program)
    sides = _sides(program, numbered)
    turns = _turns(numbered, sides)
    cycle = max(turn.end for turn in turns)
    times = sorted({round(at, 3) for turn in turns for at in (turn.start, turn.yellow_at, turn.red_at)})
    phases = [
        _picture(numbered, turns, at, until - at)
        for at, until in zip(times, [*times[1:], cycle], strict=True)
        if until > at
    ]
    seen = {phase.name for phase in phases}
    for side in sides:
        for pair in product(*(ring for ring in side if ring)):
            if _label(pair) not in seen:
                seen.add(_label(pair))
                phases.append(Phase(duration=0.0, state=_greens(numbered, pair), name=_label(pair)))
    return replace(program, phases=tuple(phases), offset=_offset(program, turns))


def stage_names(program: Program, staging: Staging) -> list[str]:
    """Pairs of phases (2+6) at a NEMA signal, numbers elsewhere."""
    names = [str(number + 1) for number in range(len(staging.stages))]
    if program.kind == KIND:
        for phase, stages in zip(program.phases, staging.of_phase, strict=True):
            for stage in stages[:1]:
                if phase.name and phase.name not in names:
                    names[stage] = phase.name
    return names


def with_nema_times(plan: SignalPlan, program: Program) -> SignalPlan:
    """The plan with the times, recalls and rings of its NEMA phases; clearances by geometry only grow.

    `program` is the one in the network, before it was unrolled.
    """
    if program.kind != KIND:
        return plan
    numbered = _numbered(program)
    own = [_phases_of(group, numbered) for group in plan.groups]
    groups = tuple(
        _timed(group, phases, numbered, program) for group, phases in zip(plan.groups, own, strict=True)
    )
    clear = [
        max(
            (
                tenths(numbered[n].timing.get("yellow", 0.0) + numbered[n].timing.get("red", 0.0))
                for n in phases
            ),
            default=0,
        )
        for phases in own
    ]
    matrix = tuple(
        tuple(
            value if value == NO_CONFLICT or groups[i].kind is GroupKind.PEDESTRIAN else max(value, clear[i])
            for value in row
        )
        for i, row in enumerate(plan.intergreen)
    )
    return replace(plan, groups=groups, intergreen=matrix, rings=_rings(groups, _sides(program, numbered)))


def _numbered(program: Program) -> dict[int, Phase]:
    try:
        return {int(phase.name): phase for phase in program.phases}
    except ValueError:
        raise NetworkError(
            f"{program.where}: a NEMA phase needs its number as name; name all of them"
        ) from None


def _sides(program: Program, numbered: Mapping[int, Phase]) -> Sides:
    rings = [_list(program, key) for key in ("ring1", "ring2") if program.params.get(key)]
    ends = {*_list(program, "barrierPhases"), *_list(program, "barrier2Phases")}
    ends |= set(_list(program, "coordinatePhases"))
    cut: list[list[list[int]]] = []
    for ring in rings:
        sides: list[list[int]] = [[]]
        for number in ring:
            if number and number not in numbered:
                raise NetworkError(f"{program.where}: a ring names phase {number}, which has no <phase>")
            if number:
                sides[-1].append(number)
            if number in ends:
                sides.append([])
        if len(sides) > 1 and not sides[-1]:
            sides.pop()
        elif len(sides) > 1:  # the ring was given from within a side: its end belongs to its beginning
            sides[0] = sides.pop() + sides[0]
        cut.append(sides)
    if not cut or len({len(sides) for sides in cut}) > 1 or not any(cut[0]):
        raise NetworkError(f"{program.where}: ring1 and ring2 do not cross the same barriers; correct them")
    # A ring without phases on one side repeats the other ring's there.
    return [
        [
            ring[side] if ring[side] not in [r[side] for r in cut[:index]] else []
            for index, ring in enumerate(cut)
        ]
        for side in range(len(cut[0]))
    ]


def _list(program: Program, key: str) -> list[int]:
    text = program.params.get(key, "")
    try:
        return [int(number) for number in text.split(",") if number.strip()]
    except ValueError:
        raise NetworkError(f"{program.where}: {key}={text!r} is no list of phase numbers") from None


def _turns(numbered: Mapping[int, Phase], sides: Sides) -> list[Turn]:
    """The rings played at their splits (maxDur, yellow and red); the shorter ring waits at the barrier."""
    orders = [[n for side in sides for n in side[ring]] for ring in range(len(sides[0]))]
    turns: list[Turn] = []
    at = 0.0
    for side in sides:
        lengths = [sum(_split(numbered[number]) for number in ring) for ring in side]
        for order, ring, length in zip(orders, side, lengths, strict=True):
            begin = at
            for position, number in enumerate(ring):
                last = position == len(ring) - 1
                end = begin + _split(numbered[number]) + (max(lengths) - length if last else 0.0)
                timing = numbered[number].timing
                red_at = end - timing.get("red", 0.0)
                following = order[(order.index(number) + 1) % len(order)]
                turns.append(Turn(number, begin, red_at - timing.get("yellow", 0.0), red_at, end, following))
                begin = end
        at += max(lengths)
    return turns


def _split(phase: Phase) -> float:
    green = phase.timing.get("maxDur", phase.duration)
    return green + phase.timing.get("yellow", 0.0) + phase.timing.get("red", 0.0)


def _picture(numbered: Mapping[int, Phase], turns: Iterable[Turn], at: float, duration: float) -> Phase:
    """What all rings show from `at` on; a link that the next phase of its ring has too stays green."""
    layers: list[str] = []
    green: list[int] = []
    for turn in turns:
        if not turn.start <= at + 1e-6 < turn.end:
            continue
        state = numbered[turn.phase].state
        if at + 1e-6 < turn.yellow_at:
            layers.append(state)
            green.append(turn.phase)
        else:
            ending = "y" if at + 1e-6 < turn.red_at else "r"
            after = numbered[turn.following].state
            layers.append("".join(_leaving(a, b, ending) for a, b in zip(state, after, strict=True)))
    active = sum(turn.start <= at + 1e-6 < turn.end for turn in turns)
    name = _label(green) if len(green) == active else ""
    return Phase(duration=round(duration, 3), state=_over(layers), name=name)


def _leaving(now: str, then: str, ending: str) -> str:
    if now not in "Gg":
        return now
    return min(now, then, key="gG".index) if then in "Gg" else ending


def _greens(numbered: Mapping[int, Phase], pair: Sequence[int]) -> str:
    return _over([numbered[number].state for number in pair])


def _over(layers: Sequence[str]) -> str:
    return "".join(max(column, key="rsoOyugG".find) for column in zip(*layers, strict=True))


def _label(phases: Iterable[int]) -> str:
    return "+".join(map(str, phases))


def _offset(program: Program, turns: Sequence[Turn]) -> float:
    """Seconds; SUMO counts to the first coordinated green (TS2) or, as it behaves, its barrier (Type 170)."""
    if program.params.get("coordinate-mode", "false").lower() not in ("true", "1", "x", "yes", "on", "t"):
        return 0.0
    coordinated = _list(program, "coordinatePhases") or _list(program, "barrier2Phases")
    kind = program.params.get("controllerType", program.params.get("cabinetType", "TS2"))
    chosen = [turn for turn in turns if turn.phase in coordinated]
    reference = min((t.start if kind == "TS2" else t.end for t in chosen), default=0.0)
    return program.offset - reference


def _phases_of(group: SignalGroup, numbered: Mapping[int, Phase]) -> list[int]:
    """The phases that show the group green for itself, or at all where none does."""
    for letters in ("G", "Ggso"):
        found = [n for n, phase in sorted(numbered.items()) if phase.state[group.links[0]] in letters]
        if found:
            return found
    return []


def _timed(
    group: SignalGroup, phases: Sequence[int], numbered: Mapping[int, Phase], program: Program
) -> SignalGroup:
    if not phases:
        return group
    number = phases[0] if len(phases) == 1 else 0
    if group.kind is GroupKind.PEDESTRIAN:
        return replace(group, phase=number)
    timing = [numbered[phase].timing for phase in phases]
    passage = max(times.get("vehext", group.passage / 10) for times in timing)
    least = max(times.get("minDur", group.min_green / 10) for times in timing)
    return replace(
        group,
        phase=number,
        min_green=max(tenths(least), 1),
        max_green=max(tenths(max(times.get("maxDur", least) for times in timing)), tenths(least)),
        passage=tenths(passage),
        yellow=max(group.yellow, tenths(max(times.get("yellow", 0.0) for times in timing))),
        recall=_recall(program, number),
    )


def _recall(program: Program, number: int) -> Recall:
    if number in _list(program, "maxRecall"):
        return Recall.MAX
    every = "minRecall" not in program.params  # SUMO then recalls all phases
    return Recall.MIN if number and (every or number in _list(program, "minRecall")) else Recall.NONE


def _rings(groups: Sequence[SignalGroup], sides: Sides) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Groups in ring order, each phase by its first vehicle group; none where a phase has no own group."""
    main: dict[int, int] = {}
    for index, group in enumerate(groups):
        if group.phase and group.kind is not GroupKind.PEDESTRIAN:
            main.setdefault(group.phase, index)
    if any(number not in main for side in sides for ring in side for number in ring):
        return ()
    return tuple(
        tuple(tuple(main[number] for number in side[ring]) for side in sides) for ring in range(len(sides[0]))
    )
