"""Random demand from end to end of a generated network: routes by duarouter, volumes to a wanted fullness."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from stopline_envs.generate.layout import Layout
from stopline_envs.generate.load import critical_ratios, read_signals
from stopline_envs.generate.roads import Road
from stopline_envs.generate.sumo_tools import run_binary
from stopline_signals.errors import ScenarioError

SLICE = 150  # s, the grain of a demand profile
# A headway below the simulation step makes cars collide, so tau is 1 s or more.
_LANE_LIMIT = 1300.0  # veh/h and lane a street's end is asked to let in
_WALKS_PER_HOUR = (4.0, 14.0)

Choices = tuple[tuple[tuple[str, ...], float], ...]  # routes as edges, with shares


@dataclass(frozen=True, slots=True)
class Demand:
    """Volumes (veh/h at the peak) per origin, its routes with shares, and the level of each slice."""

    volumes: dict[str, float]
    routes: dict[str, Choices]
    levels: dict[str, tuple[float, ...]]
    ratio: float

    @property
    def vehicles(self) -> float:
        """Expected number of vehicles."""
        return sum(
            self.volumes[end] * level * SLICE / 3600 for end, row in self.levels.items() for level in row
        )


def make_demand(layout: Layout, roads: Sequence[Road], net: Path, fullness: float, duration: int,
                rng: random.Random, work: Path) -> Demand:  # fmt: skip
    """Demand whose busiest signal has the critical flow ratio `fullness` at the peak of the profile."""
    routes = _routes(layout, net, rng, work)
    lanes = {road.start: road.lanes for road in roads}
    weights = {end: lanes[end] * rng.uniform(0.4, 1.6) for end in routes}
    flows = [(edges, weights[end] * share) for end, choices in routes.items() for edges, share in choices]
    busiest = max(critical_ratios(read_signals(net), flows).values())
    limits = [_LANE_LIMIT * lanes[end] / weight for end, weight in weights.items()]
    if busiest <= 0:
        raise ScenarioError(f"{net}: no traffic meets any signal here; draw another seed")
    factor = min(fullness / busiest, *limits)
    volumes = {end: weight * factor for end, weight in weights.items()}
    return Demand(volumes, routes, _levels(volumes, duration, rng), busiest * factor)


def write_demand(path: Path, demand: Demand, layout: Layout, duration: int, rng: random.Random,
                 *, walking: bool) -> None:  # fmt: skip
    """The demand as a SUMO route file of flows: exponential headways and drawn routes, so seeds differ."""
    rows = [*_vehicle_types(rng)]
    for end, choices in demand.routes.items():
        rows.append(f'    <routeDistribution id="from_{end}">')
        rows += [
            f'        <route id="{end}_{number}" edges="{" ".join(edges)}" probability="{share:.4f}"/>'
            for number, (edges, share) in enumerate(choices)
        ]
        rows.append("    </routeDistribution>")
    walks = _walk_rates(layout, rng) if walking else {}
    for number in range(-(-duration // SLICE)):
        begin, stop = number * SLICE, min((number + 1) * SLICE, duration)
        rows += _walks(layout, walks, begin, stop)
        for end, row in demand.levels.items():
            rate = demand.volumes[end] * row[number] / 3600
            rows.append(
                f'    <flow id="{end}.{number:02d}" type="traffic" route="from_{end}"'
                f' begin="{begin}" end="{stop}" period="exp({rate:.5f})"'
                ' departLane="best" departSpeed="max"/>'
            )
    path.write_text("\n".join(["<routes>", *rows, "</routes>"]) + "\n", encoding="utf-8")


def _routes(
    layout: Layout, net: Path, rng: random.Random, work: Path
) -> dict[str, tuple[tuple[tuple[str, ...], float], ...]]:
    """Per origin: up to three routes to every other end, with shares that sum to 1."""
    trips, found = work / "trips.xml", work / "routes.xml"
    first = {end: f"{end}_{layout.links[end][0]}" for end in layout.ends}
    last = {end: f"{layout.links[end][0]}_{end}" for end in layout.ends}
    pairs = [(a, b) for a in layout.ends for b in layout.ends if a != b]
    rows = [
        f'    <trip id="{a}.{b}.{number}" depart="0" from="{first[a]}" to="{last[b]}"/>'
        for a, b in pairs
        for number in range(3)
    ]
    trips.write_text("\n".join(["<routes>", *rows, "</routes>"]), encoding="utf-8")
    run_binary(
        "duarouter",
        {
            "net-file": net,
            "route-files": trips,
            "output-file": found,
            "seed": rng.randrange(1, 2**31),
            "weights.random-factor": 1.6,
            "ignore-errors": True,
            "no-warnings": True,
            "no-step-log": True,
        },
    )
    choices: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for vehicle in ET.parse(found).getroot().iter("vehicle"):
        start, end, _ = vehicle.attrib["id"].split(".")
        edges = tuple(vehicle[0].attrib["edges"].split())
        choices.setdefault((start, end), []).append(edges)
    result: dict[str, Choices] = {}
    for start in layout.ends:
        mine = {end: rng.expovariate(1.0) + 0.05 for a, end in choices if a == start}
        whole = sum(mine.values())
        shares: dict[tuple[str, ...], float] = {}
        for end, weight in mine.items():
            some = choices[start, end]
            for edges in some:
                shares[edges] = shares.get(edges, 0.0) + weight / whole / len(some)
        if shares:
            result[start] = tuple(shares.items())
    return result


def _levels(volumes: dict[str, float], duration: int, rng: random.Random) -> dict[str, tuple[float, ...]]:
    """Level per origin and slice: a common shape, own noise, and now and then a surge from one end."""
    slices = -(-duration // SLICE)
    shape = _shape(slices, rng)
    levels = {end: [level * rng.uniform(0.8, 1.2) for level in shape] for end in volumes}
    for _ in range(rng.choice((0, 0, 1, 2))):
        end, first = rng.choice(sorted(volumes)), rng.randrange(slices)
        for number in range(first, min(slices, first + rng.choice((1, 2)))):
            levels[end][number] *= rng.uniform(1.4, 2.0)
    return {end: tuple(row) for end, row in levels.items()}


def _shape(slices: int, rng: random.Random) -> list[float]:
    """How demand goes over the episode, 1 at the peak: flat, a hump, two humps, rising or falling."""
    low = rng.uniform(0.35, 0.75)
    places = [(number + 0.5) / slices for number in range(slices)]
    peaks = {"flat": (), "hump": (rng.uniform(0.3, 0.7),), "two": (0.25, 0.75), "up": (1.0,), "down": (0.0,)}[
        rng.choice(("flat", "hump", "hump", "two", "up", "down"))
    ]
    width = 0.15 if len(peaks) == 2 else 0.3
    if not peaks:
        return [1.0] * slices
    near = [min(abs(place - peak) for peak in peaks) for place in places]
    return [low + (1 - low) * max(0.0, 1 - distance / (2 * width)) for distance in near]


def _vehicle_types(rng: random.Random) -> list[str]:
    trucks = rng.uniform(0.0, 0.12)
    pace, spread = rng.uniform(0.92, 1.05), rng.uniform(0.06, 0.14)
    return [
        '    <vTypeDistribution id="traffic">',
        f'        <vType id="car" vClass="passenger" length="{rng.uniform(4.2, 5.0):.2f}" sigma="0.5"'
        f' tau="{rng.uniform(1.0, 1.3):.2f}" speedFactor="normc({pace:.3f},{spread:.3f},0.7,1.3)"'
        f' probability="{1 - trucks:.3f}"/>',
        '        <vType id="truck" vClass="truck" length="10" accel="1.3"'
        f' speedFactor="normc(0.92,0.05,0.8,1.05)" probability="{trucks:.3f}"/>',
        "    </vTypeDistribution>",
        '    <vType id="walker" vClass="pedestrian" speedFactor="normc(0.95,0.12,0.7,1.3)"/>',
    ]


def _walk_rates(layout: Layout, rng: random.Random) -> dict[str, float]:
    """People per hour between each ordered pair of arms, per junction."""
    return {name: rng.uniform(*_WALKS_PER_HOUR) for name in layout.junctions}


def _walks(layout: Layout, rates: dict[str, float], begin: int, end: int) -> list[str]:
    """People who walk in one slice from one arm of a junction to another of its arms, over its crossings."""
    # In slices, because SUMO drops a flow of people whole if it begins before the simulation does.
    rows: list[str] = []
    for name, rate in rates.items():
        for start, stop in permutations(layout.links[name], 2):
            rows += [
                f'    <personFlow id="walk.{name}.{start}.{stop}.{begin}" type="walker" begin="{begin}"'
                f' end="{end}" period="exp({rate / 3600:.5f})" departPos="-40">',
                f'        <walk from="{start}_{name}" to="{name}_{stop}" arrivalPos="15"/>',
                "    </personFlow>",
            ]
    return rows
