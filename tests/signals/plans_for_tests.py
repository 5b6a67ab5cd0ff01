"""Signal plans the signals tests share: a hand-made four-arm junction and random ones."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from stopline_signals import (
    NO_CONFLICT,
    Detector,
    DetectorKind,
    FixedProgram,
    GroupKind,
    ProgramStep,
    SignalGroup,
    SignalPlan,
    Stage,
)
from stopline_signals.plan import Preempt
from stopline_signals.ring_barrier import Phase, dual_ring

NORTH, EAST, LEFT, WALK = range(4)


def four_groups() -> SignalPlan:
    """North through, east through, a permissive left opposing north, and a crossing of the east arm."""
    groups = (
        SignalGroup(name="north", yellow=30, min_green=50, lanes=2),
        SignalGroup(name="east", yellow=40, min_green=70),
        SignalGroup(name="left", yellow=30, min_green=40, oncoming=("north",)),
        SignalGroup(name="walk", kind=GroupKind.PEDESTRIAN, walk=70, clearance=120, on_demand=True),
    )
    stages = (
        Stage("north", (NORTH, WALK), (LEFT,)),
        Stage("east", (EAST,)),
        Stage("left", (LEFT,)),
    )
    x = NO_CONFLICT
    intergreen = (
        (x, 50, 50, x),
        (60, x, 60, 60),
        (50, 50, x, x),
        (x, 150, x, x),
    )
    yields = tuple(tuple(i == LEFT and j == NORTH for j in range(4)) for i in range(4))
    detectors = tuple(
        Detector(f"near:{g.name}", DetectorKind.NEAR_ZONE, i, 0, 50) for i, g in enumerate(groups[:3])
    )
    return SignalPlan(
        junction="test",
        groups=groups,
        stages=stages,
        intergreen=intergreen,
        yields=yields,
        detectors=(*detectors, Detector("button:walk", DetectorKind.BUTTON, WALK)),
        program=FixedProgram(900, 0, (ProgramStep(0, 0), ProgramStep(1, 300), ProgramStep(2, 600))),
    )


def shared_lanes() -> SignalPlan:
    """Two streets of shared lanes that turn left across each other, both ways permissive or one alone."""
    names = ("north", "south", "east", "west")
    facing = (1, 0, 3, 2)
    groups = tuple(
        SignalGroup(
            name=name, yellow=30 + g, min_green=50 + 10 * g, oncoming=(names[facing[g]],), max_red=700
        )
        for g, name in enumerate(names)
    )
    matrix = tuple(
        tuple(NO_CONFLICT if i == j else groups[i].yellow + 10 + 3 * j for j in range(4)) for i in range(4)
    )
    stages = [Stage("both", (), (0, 1)), Stage("across", (), (2, 3))]
    stages += [Stage(f"{name} alone", (g,)) for g, name in enumerate(names)]
    yields = tuple(tuple(facing[i] == j for j in range(4)) for i in range(4))
    return SignalPlan(
        junction="shared",
        groups=groups,
        stages=tuple(stages),
        intergreen=matrix,
        yields=yields,
        red_revert=15,
    )


def eight_phases() -> SignalPlan:
    """Dual ring with two preempts; 1 and 5 also turn on a flashing arrow; crossings beside 2, 4, 6 and 8."""
    phases = [Phase(number=n, yellow=40, red=15, walk=70, ped_clear=120) for n in (2, 4, 6, 8)]
    phases += [Phase(number=1, permissive_with=(2,)), Phase(number=5, permissive_with=(6,))]
    rail = Preempt(name="rail", dwell=3, rail=True, track_clear=7, min_duration=80)
    fire = Preempt(name="fire", dwell=6, priority=2, min_duration=100, max_presence=900)
    return replace(dual_ring("8 phases", phases).plan(), preempts=(fire, rail))


@st.composite
def random_plans(draw: st.DrawFn) -> SignalPlan:
    """Small junctions of any shape: random conflicts, intervals, permissive groups and crossings."""
    count = draw(st.integers(2, 6))
    groups = tuple(draw(_groups(index)) for index in range(count))
    conflict = [[False] * count for _ in range(count)]
    for i in range(count):
        for j in range(i):
            conflict[i][j] = conflict[j][i] = draw(st.booleans())
    yields = [[conflict[i][j] and i < j and draw(st.booleans()) for j in range(count)] for i in range(count)]
    traps = [group.walk == 0 and draw(st.booleans()) for group in groups]
    matrix = tuple(
        tuple(
            groups[i].change + draw(st.integers(0, 40)) if conflict[i][j] else NO_CONFLICT
            for j in range(count)
        )
        for i in range(count)
    )
    stages = [
        _stage(draw(st.permutations(range(count))), conflict, yields, index)
        for index in range(draw(st.integers(2, 5)))
    ]
    return SignalPlan(
        junction="random",
        groups=tuple(
            replace(
                group,
                oncoming=tuple(
                    groups[j].name for j in range(count) if yields[i][j] and traps[i] and traps[j]
                ),
            )
            for i, group in enumerate(groups)
        ),
        stages=tuple(stages),
        intergreen=matrix,
        yields=tuple(map(tuple, yields)),
        red_revert=draw(st.integers(0, 20)),
    )


@st.composite
def _groups(draw: st.DrawFn, index: int) -> SignalGroup:
    times = st.integers(1, 60)
    if draw(st.integers(0, 3)) == 0:
        return SignalGroup(
            name=f"g{index}",
            kind=GroupKind.PEDESTRIAN,
            walk=draw(times),
            clearance=draw(times),
            on_demand=draw(st.booleans()),
            max_red=draw(st.integers(300, 900)),
        )
    return SignalGroup(
        name=f"g{index}", min_green=draw(times), yellow=draw(times), max_red=draw(st.integers(300, 900))
    )


def _stage(order: list[int], conflict: list[list[bool]], yields: list[list[bool]], index: int) -> Stage:
    """Fill a stage greedily: protected where free of conflict, permissive where the group gives way."""
    protected: list[int] = []
    permissive: list[int] = []
    for group in order:
        foes = [other for other in (*protected, *permissive) if conflict[group][other]]
        if not foes:
            protected.append(group)
        elif all(yields[group][other] for other in foes):
            permissive.append(group)
    return Stage(f"s{index}", tuple(sorted(protected)), tuple(sorted(permissive)))
