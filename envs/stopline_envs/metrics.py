"""Exact trip figures of one run: every scheduled vehicle counts, also those that never got in.

delay = time loss + departure delay, averaged over all vehicles scheduled to depart before the end. A vehicle
still driving counts with what it has lost so far, one still waiting to enter with its wait up to the end.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TripMetrics:
    """Means over vehicles: times in seconds, speed in m/s.

    `delay_s` is over all scheduled vehicles; wait, travel time, speed and stops over those that departed.
    `unserved` counts vehicles never inserted. `longest_wait_s` is the most that one vehicle waited in all,
    `longest_stop_s` the longest unbroken standstill (gridlock when over 600 s), to 10 s. `deadlocked` counts
    vehicles that stand at the end and that no lamp can free (`stopline_envs.deadlock`). Pedestrians are
    apart: `walkers`, `walk_wait_s` (time lost).
    """

    delay_s: float
    wait_s: float
    travel_time_s: float
    speed_mps: float
    stops: float
    unserved: int
    vehicles: int
    finished: int
    longest_wait_s: float
    longest_stop_s: float = 0.0
    deadlocked: int = 0
    walkers: int = 0
    walk_wait_s: float = 0.0
    buses: int = 0
    bus_delay_s: float = 0.0
    emergencies: int = 0
    emergency_delay_s: float = 0.0
    co2_g: float = 0.0
    """Grams per vehicle; 0 unless SUMO's emission devices were asked for."""
    worst_approach_s: float = 0.0
    """Time lost per vehicle on the worst edge before a signal, with at least `FEWEST` vehicles."""


FEWEST = 10
Classes = Mapping[str, str]
"""SUMO vehicle class of each vehicle type."""


def read_trips(path: Path, classes: Classes | None = None) -> TripMetrics:
    """Figures from SUMO's trip output (unfinished and undeparted trips written)."""
    trips: list[dict[str, str]] = []
    walk_losses: list[float] = []
    for _, element in ElementTree.iterparse(path):
        if element.tag == "tripinfo":
            emitted = element.find("emissions")
            co2 = emitted.attrib["CO2_abs"] if emitted is not None else "0"
            trips.append({**element.attrib, "co2_mg": co2})
            element.clear()
        elif element.tag == "personinfo":
            walk_losses.append(sum(float(walk.get("timeLoss", 0)) for walk in element.iter("walk")))
            element.clear()
    return _figures(trips, walk_losses, classes or {})


def worst_approach(path: Path, edges: Collection[str]) -> float:
    """Most time lost per vehicle (s) on one of these edges, from SUMO's edge data of a whole run."""
    worst = 0.0
    for _, element in ElementTree.iterparse(path):
        if element.tag != "edge" or element.attrib["id"] not in edges:
            continue
        vehicles = float(element.get("left", 0)) + float(element.get("arrived", 0))
        if vehicles >= FEWEST:
            worst = max(worst, float(element.attrib["timeLoss"]) / vehicles)
    return worst


def _figures(trips: list[dict[str, str]], walk_losses: list[float], classes: Classes) -> TripMetrics:
    driven = [trip for trip in trips if float(trip["depart"]) >= 0]
    # SUMO also lists a vehicle due in the very second the run ends; its delay is 0, it was owed no place yet.
    waiting = [trip for trip in trips if float(trip["depart"]) < 0 < float(trip["departDelay"])]
    delays = [float(trip["timeLoss"]) + float(trip["departDelay"]) for trip in driven]
    delays += [float(trip["departDelay"]) for trip in waiting]
    durations = [float(trip["duration"]) for trip in driven]
    waits = [float(trip["waitingTime"]) for trip in driven]
    by_class: defaultdict[str, list[float]] = defaultdict(list)
    for trip, delay in zip((*driven, *waiting), delays, strict=True):
        by_class[classes.get(trip["vType"].partition("@")[0], "")].append(delay)
    metres = sum(float(trip["routeLength"]) for trip in driven)
    return TripMetrics(
        delay_s=_mean(delays),
        wait_s=_mean(waits),
        travel_time_s=_mean(durations),
        speed_mps=metres / max(sum(durations), 1e-9) if driven else 0.0,
        stops=_mean([float(trip["waitingCount"]) for trip in driven]),
        unserved=len(waiting),
        vehicles=len(driven) + len(waiting),
        finished=sum(float(trip["arrival"]) >= 0 for trip in driven),
        longest_wait_s=max(waits, default=0.0),
        walkers=len(walk_losses),
        walk_wait_s=_mean(walk_losses),
        buses=len(by_class["bus"]),
        bus_delay_s=_mean(by_class["bus"]),
        emergencies=len(by_class["emergency"]),
        emergency_delay_s=_mean(by_class["emergency"]),
        co2_g=_mean([float(trip["co2_mg"]) / 1000 for trip in driven]),
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
