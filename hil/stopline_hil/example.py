"""A small junction for trying a cabinet without a network: four arms, a yielding left turn, two crossings."""

from __future__ import annotations

from stopline_signals.plan import (
    NO_CONFLICT,
    Detector,
    DetectorKind,
    GroupKind,
    SignalGroup,
    SignalPlan,
    Stage,
)

_GROUPS = (
    SignalGroup(name="main", min_green=60, max_green=400, yellow=33, lanes=2.0),
    SignalGroup(name="left", min_green=50, max_green=200, yellow=30, oncoming=("main",)),
    SignalGroup(name="side", min_green=50, max_green=300, yellow=30),
    SignalGroup(name="walk along", kind=GroupKind.PEDESTRIAN, walk=70, clearance=80),
    SignalGroup(name="walk across", kind=GroupKind.PEDESTRIAN, walk=70, clearance=90),
)
_CLEARANCES = {
    ("main", "left"): 50,
    ("main", "side"): 53,
    ("main", "walk across"): 50,
    ("left", "main"): 45,
    ("left", "side"): 52,
    ("left", "walk across"): 48,
    ("side", "main"): 47,
    ("side", "left"): 46,
    ("side", "walk along"): 41,
    ("walk along", "side"): 100,
    ("walk along", "walk across"): 90,
    ("walk across", "main"): 120,
    ("walk across", "left"): 110,
    ("walk across", "walk along"): 100,
}


def crossroads(junction: str = "crossroads") -> SignalPlan:
    """The example plan; a left turn gives way to the main road, crossings run beside the parallel traffic."""
    names = [group.name for group in _GROUPS]
    return SignalPlan(
        junction=junction,
        groups=_GROUPS,
        stages=(
            Stage("main", (0, 3), (1,)),
            Stage("left", (1, 3)),
            Stage("side", (2, 4)),
        ),
        intergreen=tuple(tuple(_CLEARANCES.get((i, j), NO_CONFLICT) for j in names) for i in names),
        yields=tuple(tuple((i, j) == ("left", "main") for j in names) for i in names),
        detectors=tuple(_detectors()),
        source="built-in example",
    )


def _detectors() -> list[Detector]:
    detectors: list[Detector] = []
    for number, group in enumerate(_GROUPS):
        if group.kind is GroupKind.PEDESTRIAN:
            detectors.append(Detector(f"{group.name} button", DetectorKind.BUTTON, number))
            continue
        near, far = DetectorKind.NEAR_ZONE, DetectorKind.FAR_ZONE
        detectors.append(Detector(f"{group.name} near", near, number, 0.0, 50.0, 6.6 * group.lanes))
        detectors.append(Detector(f"{group.name} far", far, number, 50.0, 120.0, 9.3 * group.lanes))
    return detectors
