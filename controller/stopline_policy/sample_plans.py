"""Two small junctions that every policy must be able to serve: the ground of ``check_policy``."""

from __future__ import annotations

from stopline_signals.plan import (
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

FREE = NO_CONFLICT
NEAR = (0.0, 50.0)
FAR = (50.0, 120.0)


def sample_plans() -> tuple[SignalPlan, ...]:
    """A crossing with pedestrians on demand, and a four-stage junction with left-turn stages."""
    return (_crossing(), _four_stages())


def _crossing() -> SignalPlan:
    groups = (
        SignalGroup(name="main", min_green=50, yellow=30, approach="west", lanes=2.0),
        SignalGroup(name="side", min_green=50, yellow=30, approach="south"),
        SignalGroup(name="walk", kind=GroupKind.PEDESTRIAN, walk=70, clearance=80, on_demand=True),
    )
    return SignalPlan(
        junction="check-crossing",
        groups=groups,
        stages=(Stage("main", (0,)), Stage("side", (1, 2))),
        intergreen=((FREE, 50, 50), (50, FREE, FREE), (110, FREE, FREE)),
        yields=((False,) * 3,) * 3,
        detectors=(*_zones(0), *_zones(1), Detector("button", DetectorKind.BUTTON, 2)),
        program=FixedProgram(600, 0, (ProgramStep(0, 0), ProgramStep(1, 350))),
    )


def _four_stages() -> SignalPlan:
    groups = tuple(
        SignalGroup(
            name=f"{arm}-{turn}",
            min_green=60,
            yellow=30,
            approach=arm,
            lanes=2.0 if turn == "through" else 1.0,
        )
        for arm in ("north", "east", "south", "west")
        for turn in ("through", "left")
    )
    stages = (
        Stage("north-south", (0, 4)),
        Stage("north-south left", (1, 5)),
        Stage("east-west", (2, 6)),
        Stage("east-west left", (3, 7)),
    )
    together = {frozenset(stage.protected) for stage in stages} | {
        frozenset((i, i + 1)) for i in (0, 2, 4, 6)
    }
    intergreen = tuple(
        tuple(FREE if i == j or frozenset((i, j)) in together else 50 for j in range(8)) for i in range(8)
    )
    return SignalPlan(
        junction="check-four-stages",
        groups=groups,
        stages=stages,
        intergreen=intergreen,
        yields=((False,) * 8,) * 8,
        detectors=tuple(zone for group in range(8) for zone in _zones(group)),
        program=FixedProgram(
            900, 100, tuple(ProgramStep(stage, at) for stage, at in enumerate((0, 220, 450, 670)))
        ),
    )


def _zones(group: int) -> tuple[Detector, Detector]:
    return (
        Detector(f"near-{group}", DetectorKind.NEAR_ZONE, group, *NEAR, 7.0),
        Detector(f"far-{group}", DetectorKind.FAR_ZONE, group, *FAR, 10.0),
    )
