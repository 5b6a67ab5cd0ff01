"""One call from a seed to a training scenario: random streets, signals, turn bays, and demand."""

from __future__ import annotations

import random
import tempfile
from enum import StrEnum
from pathlib import Path

from stopline_envs.generate.demand import make_demand, write_demand
from stopline_envs.generate.layout import Kind, make_layout
from stopline_envs.generate.lefts import add_left_greens
from stopline_envs.generate.pairs import offer_pairs
from stopline_envs.generate.rights import free_rights
from stopline_envs.generate.roads import build_network, fanned, lay_roads
from stopline_envs.scenario import Scenario, load_scenario
from stopline_signals.errors import ScenarioError


class Plans(StrEnum):
    """How generated signals are programmed."""

    STAGES = "stages"
    NEMA = "nema"


SIGNALS = (6, 9)
FULLNESS = (0.15, 0.7)
MOST_SIGNALS = 60


def generate_network(
    seed: int,
    out_dir: str | Path,
    *,
    kind: str | None = None,
    signals: int | None = None,
    fullness: float | None = None,
    duration: int = 1500,
    crossings: bool = False,
    all_stages: bool = False,
    shared_lefts: bool = False,
    fans: bool = False,
    rights: bool = False,
    plans: str = "stages",
) -> Scenario:
    """Write a random network with demand into `out_dir`, return its scenario; the same seed, the same bytes.

    Args:
        seed: the only source of chance; what is not given below is drawn from it.
        out_dir: folder for net, routes and `scenario.toml`; made if absent.
        kind: grid, town, spider or arterial.
        signals: the exact number of signalised junctions; 6 to 9 if not given.
        fullness: critical flow ratio of the busiest signal at the peak, 0.15 to 0.7 if not given; above about
            0.75 no plan can serve it.
        duration: seconds of demand, and of the scenario.
        crossings: sidewalks, signalised crossings, and people on them.
        plans: "stages", or "nema": dual rings where netconvert builds them (four arms), else actuated stages.
        all_stages: signals nobody walks at offer every stage that may be formed, see `offer_pairs`.
        shared_lefts: lefts without a lane of their own get a green of their own, see `add_left_greens`.
        fans: some streets fan out into more lanes shortly before the stop line, see `fanned`.
        rights: rights go at any time, giving way, at signals nobody walks at, see `free_rights`.

    Raises ScenarioError for arguments nothing can be made of, SimulationError if one of SUMO's tools fails.
    """
    _check(signals, fullness, duration)
    nema = plans_of_name(plans) is Plans.NEMA
    # Nobody turns right over people who walk, and a ring has no place for it.
    rights = rights and not crossings and not nema
    rng = random.Random(f"{seed}|{kind}|{signals}|{fullness}|{duration}|{crossings}")
    shape = Kind(kind) if kind in set(Kind) else _no_kind(kind, rng)
    count = signals if signals is not None else rng.randint(*SIGNALS)
    full = fullness if fullness is not None else rng.uniform(*FULLNESS)
    target = Path(out_dir).absolute()
    target.mkdir(parents=True, exist_ok=True)
    net = target / "net.net.xml"
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        layout = make_layout(shape, count, rng, work)
        roads = lay_roads(layout, rng)
        if fans:
            roads = fanned(roads, layout, random.Random(f"fans {seed}"))
        build_network(layout, roads, net, rng, work, crossings=crossings, nema=nema, rights=rights)
        demand = make_demand(layout, roads, net, full, duration, rng, work)
    # After the demand: its size is judged by the stages of one cycle.
    if shared_lefts:
        add_left_greens(net)
    if all_stages:
        offer_pairs(net)
    if rights:
        free_rights(net)
    write_demand(target / "routes.rou.xml", demand, layout, duration, rng, walking=crossings)
    count = len(layout.junctions)
    write_scenario(
        target / "scenario.toml",
        f"{layout.kind}-{count}-seed{seed}",
        f"Generated {layout.kind} with {count} signals",
        duration,
        demand.ratio,
        demand.vehicles,
    )
    return load_scenario(target / "scenario.toml")


def _check(signals: int | None, fullness: float | None, duration: int) -> None:
    if signals is not None and not 1 <= signals <= MOST_SIGNALS:
        raise ScenarioError(f"signals must be 1 to {MOST_SIGNALS}, not {signals}")
    if fullness is not None and not 0 < fullness <= 2:
        raise ScenarioError(f"fullness must be above 0 and at most 2, not {fullness}")
    if duration < 60:
        raise ScenarioError(f"duration must be 60 s or more, not {duration}")


def _no_kind(kind: str | None, rng: random.Random) -> Kind:
    """A kind drawn by chance when none is asked for; raises ScenarioError for an unknown one."""
    if kind is not None:
        raise ScenarioError(f"unknown kind of network {kind!r}; known: {', '.join(Kind)}")
    return rng.choice(tuple(Kind))


def plans_of_name(name: str) -> Plans:
    """The kind of signal plans of that name; ScenarioError names those there are."""
    if name not in set(Plans):
        raise ScenarioError(f"unknown plans {name!r}; known: {', '.join(Plans)}")
    return Plans(name)


def write_scenario(path: Path, name: str, title: str, duration: int, ratio: float, vehicles: float) -> None:
    """Write the `scenario.toml` of generated files that lie beside it."""
    rows = [
        f'name = "{name}"',
        f'title = "{title}"',
        'net = "net.net.xml"',
        'routes = ["routes.rou.xml"]',
        "begin = 0",
        f"end = {duration}",
        f'notes = "critical flow ratio {ratio:.2f} at the peak, about {vehicles:.0f} vehicles"',
        'licence = "generated, no rights reserved"',
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
