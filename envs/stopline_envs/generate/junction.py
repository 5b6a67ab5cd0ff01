"""One signal of any shape from a seed: one to six arms, from a crossing on a one-way street upwards."""

from __future__ import annotations

import math
import random
import tempfile
from pathlib import Path

from stopline_envs.generate.demand import make_demand, write_demand
from stopline_envs.generate.layout import Kind, Layout, Point
from stopline_envs.generate.network import FULLNESS, Plans, plans_of_name, write_scenario
from stopline_envs.generate.roads import build_network, lay_roads, serve_crossings
from stopline_envs.generate.sumo_tools import run_binary, strip_header
from stopline_envs.scenario import Scenario, load_scenario
from stopline_signals.errors import ScenarioError

ARMS = (1, 2, 3, 4, 5, 6)
_SHARE_OF_EVEN = 0.75
"""Two neighbouring arms are at least this share of an even spread apart."""
_LANE_FLOW = 1500.0  # veh/h and lane that a crossing signal may be asked to let through
_WALKS_PER_HOUR = (60.0, 200.0)
_PATH_M = 60.0


def generate_junction(
    seed: int,
    out_dir: str | Path,
    *,
    arms: int | None = None,
    plans: str = Plans.STAGES,
    fullness: float | None = None,
    duration: int = 1500,
    crossings: bool = False,
) -> Scenario:
    """Write one junction with demand into `out_dir`, return its scenario; the same seed, the same bytes.

    With one arm (a one-way street) or two it is a signalised crossing between junctions, and people walk
    whatever `crossings` says.

    Args:
        seed: the only source of chance.
        out_dir: folder for net, routes and `scenario.toml`; made if absent.
        arms: 1 to 6 streets that meet, drawn if not given.
        plans: "stages", or "nema": dual rings where netconvert builds them (four arms), else actuated stages.
        fullness: critical flow ratio at the peak, 0.15 to 0.7 if not given.
        duration: seconds of demand, and of the scenario.
        crossings: sidewalks and signalised crossings on junctions of three arms and more.
    """
    kind = plans_of_name(plans)
    if arms is not None and arms not in ARMS:
        raise ScenarioError(f"arms must be 1 to 6, not {arms}")
    if fullness is not None and not 0 < fullness <= 2:
        raise ScenarioError(f"fullness must be above 0 and at most 2, not {fullness}")
    if duration < 60:
        raise ScenarioError(f"duration must be 60 s or more, not {duration}")
    rng = random.Random(f"junction|{seed}|{arms}|{fullness}|{duration}|{crossings}")
    count = arms if arms is not None else rng.choice(ARMS)
    full = fullness if fullness is not None else rng.uniform(*FULLNESS)
    target = Path(out_dir).absolute()
    target.mkdir(parents=True, exist_ok=True)
    net, routes = target / "net.net.xml", target / "routes.rou.xml"
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if count < 3:
            lanes = _crossing(count, net, rng, work)
            ratio, vehicles = full, _crossing_demand(count, lanes, routes, full, duration, rng)
        else:
            layout = _star(count, rng)
            roads = lay_roads(layout, rng)
            build_network(layout, roads, net, rng, work, crossings=crossings, nema=kind is Plans.NEMA)
            demand = make_demand(layout, roads, net, full, duration, rng, work)
            write_demand(routes, demand, layout, duration, rng, walking=crossings)
            ratio, vehicles = demand.ratio, demand.vehicles
    title = f"Generated junction with {count} arm{'s' * (count > 1)}"
    write_scenario(target / "scenario.toml", f"junction-{count}-seed{seed}", title, duration, ratio, vehicles)
    return load_scenario(target / "scenario.toml")


def _star(arms: int, rng: random.Random) -> Layout:
    """Streets that meet at one point, at angles that are uneven but wide enough to drive."""
    gaps = [rng.uniform(_SHARE_OF_EVEN, 2 - _SHARE_OF_EVEN) for _ in range(arms)]
    angle = rng.uniform(0, math.tau)
    points: dict[str, Point] = {"J1": (0.0, 0.0)}
    for number, gap in enumerate(gaps, 1):
        length = rng.uniform(170, 320)
        points[f"E{number}"] = (length * math.cos(angle), length * math.sin(angle))
        angle += math.tau * gap / sum(gaps)
    ends = tuple(name for name in points if name != "J1")
    return Layout(Kind.SPIDER, points, {"J1": ends, **dict.fromkeys(ends, ("J1",))})


def _crossing(arms: int, net: Path, rng: random.Random, work: Path) -> int:
    """Write a street with a crossing and a footpath on each side; its lanes in one direction."""
    lanes, speed = rng.choice((1, 2)), rng.choice((30, 40, 50)) / 3.6
    streets = [("E1", "J1"), ("J1", "E2"), ("E2", "J1"), ("J1", "E1")][: 2 * arms]
    nodes = {"J1": (0, 0), "E1": (-250, 0), "E2": (250, 0), "P1": (0, _PATH_M), "P2": (0, -_PATH_M)}
    over = "E1_J1 J1_E1" if arms == 2 else "E1_J1"
    plain = {
        "nod": [
            f'<node id="{name}" x="{x}" y="{y}" type="{"traffic_light" if name == "J1" else "priority"}"/>'
            for name, (x, y) in nodes.items()
        ],
        "edg": [_street(a, b, lanes, speed) for a, b in streets] + [_path(a, b) for a, b in _paths()],
        "con": [f'<crossing node="J1" edges="{over}" priority="true" width="4.0"/>'],
    }
    for suffix, rows in plain.items():
        root = {"nod": "nodes", "edg": "edges", "con": "connections"}[suffix]
        (work / f"plain.{suffix}.xml").write_text(
            "\n".join([f"<{root}>", *rows, f"</{root}>"]), encoding="utf-8"
        )
    options: dict[str, object] = {
        "node-files": work / "plain.nod.xml",
        "edge-files": work / "plain.edg.xml",
        "connection-files": work / "plain.con.xml",
        "output-file": net,
        "no-turnarounds": True,
        "walkingareas": True,
        "tls.allred.time": 2,
        "tls.cycle.time": rng.choice((60, 75, 90)),
        "tls.crossing-min.time": 7,
        "tls.crossing-clearance.time": 10,
    }
    run_binary("netconvert", options)
    strip_header(net)
    serve_crossings(net)
    return lanes


def _crossing_demand(
    arms: int, lanes: int, routes: Path, full: float, duration: int, rng: random.Random
) -> float:
    """Write vehicles and walkers of a crossing; how many vehicles."""
    rate = full * _LANE_FLOW * lanes
    ways = ["E1_J1 J1_E2", "E2_J1 J1_E1"][:arms]
    walks = rng.uniform(*_WALKS_PER_HOUR)
    rows = ['<vType id="car" vClass="passenger"/>', '<vType id="walker" vClass="pedestrian"/>']
    rows += [
        f'<flow id="drive{number}" type="car" begin="0" end="{duration}" period="exp({rate / 3600:.5f})"'
        f' departLane="best" departSpeed="max"><route edges="{way}"/></flow>'
        for number, way in enumerate(ways)
    ]
    rows += [
        f'<personFlow id="walk{number}" type="walker" begin="0" end="{duration}"'
        f' period="exp({walks / 3600:.5f})"><walk from="{start}" to="{end}"/></personFlow>'
        for number, (start, end) in enumerate((("P1_J1", "J1_P2"), ("P2_J1", "J1_P1")))
    ]
    routes.write_text("\n".join(["<routes>", *rows, "</routes>"]) + "\n", encoding="utf-8")
    return arms * rate * duration / 3600


def _paths() -> list[tuple[str, str]]:
    return [("P1", "J1"), ("J1", "P1"), ("P2", "J1"), ("J1", "P2")]


def _street(start: str, end: str, lanes: int, speed: float) -> str:
    return (
        f'<edge id="{start}_{end}" from="{start}" to="{end}" numLanes="{lanes}" speed="{speed:.2f}"'
        ' priority="9" sidewalkWidth="2.0"/>'
    )


def _path(start: str, end: str) -> str:
    return (
        f'<edge id="{start}_{end}" from="{start}" to="{end}" numLanes="1" speed="2.78" allow="pedestrian"'
        ' width="2.0" priority="1"/>'
    )
