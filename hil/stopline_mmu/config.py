"""The monitor's programming card: channels, pairs that may run together, least times; plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One monitored signal head; times in tenths of a second.

    ``min_change`` is the least yellow (vehicles) or pedestrian clearance; 0 means the head has no such
    lamp and goes from green straight to red, as a pedestrian crossing in SUMO does.
    """

    name: str
    pedestrian: bool = False
    min_green: int = 0
    min_change: int = 30
    min_red: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """How long (tenths) a fault may last before it trips, and how much a measured interval may fall short.

    The default is the strict card for simulation and HIL: one sample is enough.
    """

    conflict: int = 0
    walk_flash: int = 0
    """A conflict in which a pedestrian channel shows its clearance, flashing don't walk."""
    dark: int = 0
    dual: int = 0
    tolerance: int = 0
    max_gap: int = 0
    power_up_flash: int = 0
    """Least flash between power-up and the first steady lamps; 0 does not ask for any."""


STRICT = Thresholds()
NEMA_TS2 = Thresholds(conflict=4, walk_flash=15, dark=9, dual=4, tolerance=3, max_gap=3, power_up_flash=60)
"""NEMA TS 2: conflict and dual trip above 0.45 s, with a flashing don't walk at 1.5 s, red failure at about
1 s, yellow at 2.7 s of 3, a silent controller at 0.3 s; at least 6 s of flash at power-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The whole programming: pairs are channel indices, times tenths.

    ``compatible`` is a whitelist: every pair not listed conflicts. ``yields`` holds ordered pairs
    (i, j): while i is PERMISSIVE it gives way to j and may run with it; in those of them that ``oncoming``
    names, i turns across j and may not show yellow while j stays green. ``clearance`` maps (i, j) to
    the least time from the end of i's green to the start of j's; other conflicting pairs take
    ``default_clearance``.
    """

    channels: tuple[Channel, ...]
    compatible: frozenset[tuple[int, int]] = frozenset()
    yields: frozenset[tuple[int, int]] = frozenset()
    oncoming: frozenset[tuple[int, int]] = frozenset()
    clearance: Mapping[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])
    default_clearance: int = 30
    thresholds: Thresholds = STRICT

    def __post_init__(self) -> None:
        names = [channel.name for channel in self.channels]
        if len(set(names)) != len(names):
            raise ValueError(f"monitor card: two channels have the same name among {names}")
        for i, j in {*self.compatible, *self.yields, *self.oncoming, *self.clearance}:
            if i == j or not (0 <= i < len(names) and 0 <= j < len(names)):
                raise ValueError(f"monitor card: pair ({i}, {j}) does not name two of {len(names)} channels")


def card_from_table(table: Mapping[str, Any]) -> Card:
    """Read a card from plain data (as TOML or JSON gives it); times in tenths, pairs by channel name.

    Keys: ``channels`` (name, pedestrian, min_green, min_change, min_red), ``compatible`` [[a, b]],
    ``yields`` [[a, b]], ``oncoming`` [[a, b]], ``clearance`` [[a, b, tenths]], ``default_clearance``,
    ``thresholds``.

    Raises:
        ValueError: an unknown key, a name no channel has, or a time that is no whole number >= 0.
    """
    allowed = {"channels", "compatible", "yields", "oncoming", "clearance", "default_clearance", "thresholds"}
    _refuse_unknown("monitor card", table, allowed)
    channels = tuple(_channel(row) for row in table["channels"])
    index = {channel.name: number for number, channel in enumerate(channels)}

    def pair(where: str, names: Iterable[str]) -> tuple[int, int]:
        try:
            first, second = (index[name] for name in names)
        except KeyError as error:
            raise ValueError(f"monitor card, {where}: no channel is named {error}") from None
        return first, second

    return Card(
        channels=channels,
        compatible=frozenset(pair("compatible", row) for row in table.get("compatible", ())),
        yields=frozenset(pair("yields", row) for row in table.get("yields", ())),
        oncoming=frozenset(pair("oncoming", row) for row in table.get("oncoming", ())),
        clearance={
            pair("clearance", row[:2]): _tenths(row[2], f"clearance {row[0]} -> {row[1]}")
            for row in table.get("clearance", ())
        },
        default_clearance=_tenths(table.get("default_clearance", 30), "default_clearance"),
        thresholds=_thresholds(table.get("thresholds", {})),
    )


def _channel(row: Mapping[str, Any]) -> Channel:
    _refuse_unknown(f"channel {row.get('name')!r}", row, {entry.name for entry in fields(Channel)})
    where = f"channel {row['name']!r}"
    times = {key: _tenths(row[key], where) for key in ("min_green", "min_change", "min_red") if key in row}
    return Channel(name=row["name"], pedestrian=bool(row.get("pedestrian", False)), **times)


def _thresholds(row: Mapping[str, Any]) -> Thresholds:
    _refuse_unknown("thresholds", row, {entry.name for entry in fields(Thresholds)})
    return Thresholds(**{key: _tenths(value, f"thresholds {key}") for key, value in row.items()})


def _tenths(value: object, where: str) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"monitor card, {where}: {value!r} is no whole number of tenths >= 0")
    return value


def _refuse_unknown(where: str, row: Mapping[str, Any], allowed: set[str]) -> None:
    unknown = sorted(set(row) - allowed)
    if unknown:
        raise ValueError(f"monitor card, {where}: unknown key {unknown[0]!r}; known are {sorted(allowed)}")
