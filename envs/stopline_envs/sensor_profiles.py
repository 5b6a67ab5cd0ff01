"""What watches the street: where the detectors of a profile lie, and what may be wrong with them.

Both profiles are laid out per movement, along every lane that leads to the stop line, however many links
upstream that is. A scenario names one in its TOML file, an environment in `SlotSettings.sensors`:

    [sensors]
    profile = "loops"
    noise = 0.02
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from stopline_signals.errors import ScenarioError

FURTHEST_M = 500.0
Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorProfile:
    """Two detectors per movement, as ranges in metres upstream of the stop line.

    `near_m` feeds the near_zone detectors of plans and `far_m` the far_zone ones. A policy is bound to the
    ranges it was trained with; a bundle refuses others.
    """

    name: str
    near_m: Range
    far_m: Range

    def __post_init__(self) -> None:
        for field, (start, end) in (("near_m", self.near_m), ("far_m", self.far_m)):
            if not 0.0 <= start < end <= FURTHEST_M:
                raise ScenarioError(
                    f"sensors {self.name}: {field} must be two rising distances within {FURTHEST_M:.0f} m, "
                    f"not {start:g} to {end:g}"
                )
        if self.near_m[1] > self.far_m[0]:
            raise ScenarioError(
                f"sensors {self.name}: near_m must end before far_m begins, "
                f"not at {self.near_m[1]:g} m and {self.far_m[0]:g} m"
            )


ZONES = SensorProfile(name="zones", near_m=(0.0, 50.0), far_m=(50.0, 120.0))
"""Camera or radar: counts vehicles and queued ones in two zones. What the shipped policy needs."""
LOOPS = SensorProfile(name="loops", near_m=(0.0, 12.0), far_m=(45.0, 65.0))
"""A stop-bar loop of 12 m and an advance loop, which report who is on them.

Detectors are read once a second: the advance loop is as long as a vehicle at 72 km/h drives in that time, so
that none passes between two readings.
"""
PROFILES: dict[str, SensorProfile] = {profile.name: profile for profile in (ZONES, LOOPS)}


def sensor_profile(wanted: SensorProfile | str) -> SensorProfile:
    """The profile of a name, or the one given; ScenarioError names those there are."""
    if isinstance(wanted, SensorProfile):
        return wanted
    try:
        return PROFILES[wanted]
    except KeyError:
        raise ScenarioError(f"no sensors {wanted!r}; there are: {', '.join(PROFILES)}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorFaults:
    """What is wrong with the detectors of a network; the defaults are perfect sensors.

    Attributes:
        dead_share: share of all detectors that fail and are known to: no count, not healthy, so their group
            is on recall.
        stuck_share: share of all detectors that freeze unnoticed: they go on reporting what they saw at a
            moment within the first five minutes.
        noise: chance that a vehicle is missed, and that a zone counts one that is not there; a counted
            vehicle is taken for queued or moving wrongly with half of it. Push buttons do not miscount.
        latency_s: age of the readings, rounded up to whole seconds.
        seed: which detectors and which moments; joined with the seed of each run.
    """

    dead_share: float = 0.0
    noise: float = 0.0
    latency_s: float = 0.0
    stuck_share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("dead_share", "stuck_share", "noise"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ScenarioError(f"sensor faults: {name} must be 0 to 1, not {getattr(self, name)}")
        if self.dead_share + self.stuck_share > 1.0:
            raise ScenarioError("sensor faults: dead_share and stuck_share together must be at most 1")
        if not 0.0 <= self.latency_s <= 60.0:
            raise ScenarioError(f"sensor faults: latency_s must be 0 to 60 s, not {self.latency_s}")


def sensors_from_table(entry: object, where: str) -> tuple[SensorProfile, SensorFaults | None]:
    """The `sensors` entry of a scenario: a profile's name, or a table of profile, ranges and faults."""
    if entry is None:
        return ZONES, None
    if isinstance(entry, str):
        return sensor_profile(entry), None
    if not isinstance(entry, Mapping):
        raise ScenarioError(f"{where}: sensors must be a profile's name or a table")
    table = dict(cast("Mapping[str, Any]", entry))
    profile = sensor_profile(str(table.pop("profile", ZONES.name)))
    near, far = (
        _range(table.pop(name, getattr(profile, name)), f"{where}: sensors.{name}") for name in _RANGES
    )
    known = {field.name for field in fields(SensorFaults)}
    if unknown := sorted(set(table) - known):
        names = ", ".join(("profile", *_RANGES, *sorted(known)))
        raise ScenarioError(f"{where}: sensors has unknown entries: {', '.join(unknown)}; known: {names}")
    return replace(profile, near_m=near, far_m=far), SensorFaults(**table) if table else None


_RANGES = ("near_m", "far_m")


def _range(value: Any, where: str) -> Range:
    try:
        start, end = value
        return float(start), float(end)
    except (TypeError, ValueError):
        raise ScenarioError(f"{where} must be two distances in metres, as [0, 50]") from None
