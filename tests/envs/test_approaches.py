"""The map of approaches: where each lies, how far its street goes upstream, and which ones follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from stopline_envs.approaches import around, is_projected, mapped_approaches, projected
from stopline_envs.generate.sumo_tools import run_binary
from stopline_envs.network import plans_of
from stopline_envs.plans import Network, PlanSet, read_plans
from stopline_signals.approach_map import ApproachMap, MappedApproach, map_from_table, map_to_table
from stopline_signals.errors import NetworkError
from stopline_signals.plan import GroupKind
from tests.envs.maps import scenario_or_skip

ORIGIN = (52.26, 10.52)
COLOGNE = ((50.83, 51.09), (6.77, 7.17))

# Signals at A, B, N and 1, nowhere else. From F to E only bicycles may go, from D2 to D only buses.
#
#               N-----NE
#               |
#   W-----U-----A-----V-----B-----E--(F)
#         |     |     |     |     |
#         S     D--Q   1    K     G
#              (D2)     2
NODES = {
    "W": (0, 0),
    "U": (300, 0),
    "S": (300, -200),
    "A": (600, 0),
    "D": (600, -200),
    "D2": (600, -400),
    "Q": (700, -200),
    "N": (600, 300),
    "NE": (900, 300),
    "V": (900, 0),
    "1": (950, -200),
    "2": (950, -400),
    "B": (1200, 0),
    "K": (1200, -200),
    "E": (1500, 0),
    "F": (1800, 0),
    "G": (1500, -200),
}
STREETS = ("WU", "SU", "UA", "AD", "AN", "N NE", "AV", "V1", "12", "VB", "BK", "BE", "GE", "QD")
SIGNALS = "ABN1"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> PlanSet:
    folder = tmp_path_factory.mktemp("toy")
    kinds = {name: "traffic_light" if name in SIGNALS else "priority" for name in NODES}
    nodes = "".join(f'<node id="{n}" x="{x}" y="{y}" type="{kinds[n]}"/>' for n, (x, y) in NODES.items())
    pairs = [tuple(street.split()) if " " in street else tuple(street) for street in STREETS]
    edges = "".join(
        f'<edge id="{a}{b}" from="{a}" to="{b}" numLanes="2"/>' for x, y in pairs for a, b in ((x, y), (y, x))
    )
    edges += '<edge id="FE" from="F" to="E" allow="bicycle"/><edge id="D2D" from="D2" to="D" allow="bus"/>'
    (folder / "toy.nod.xml").write_text(f"<nodes>{nodes}</nodes>", encoding="utf-8")
    (folder / "toy.edg.xml").write_text(f"<edges>{edges}</edges>", encoding="utf-8")
    net = folder / "toy.net.xml"
    run_binary(
        "netconvert",
        {"node-files": folder / "toy.nod.xml", "edge-files": folder / "toy.edg.xml", "output-file": net},
    )
    return read_plans(net)


def mapped(plan_set: PlanSet, reach: float = 800.0) -> ApproachMap:
    return read(mapped_approaches(plan_set, around(ORIGIN), reach))


def read(rows: Sequence[MappedApproach]) -> ApproachMap:
    """What is written is accepted; map_from_table raises else."""
    return map_from_table(map_to_table(rows), "approaches.toml")


def driven(network: Network, edges: Sequence[str]) -> float:
    """Metres over edges and through the junctions between them, as SUMO counts them."""
    inside = {
        (c.source.rpartition("_")[0], c.target.rpartition("_")[0]): c.via
        for c in network.connections
        if c.via
    }
    return sum(network.lanes[f"{edge}_0"].length for edge in edges) + sum(
        network.lanes[inside[pair]].length for pair in pairwise(edges)
    )


@pytest.mark.parametrize(
    ("name", "edges", "within"),
    [
        ("UA", ["WU", "UA"], 1.0),  # straight through U, though the side street also leads there
        ("VB", ["AV", "VB"], 1.0),  # through V, and no further than A's signal
        ("EB", ["GE", "EB"], 3.0),  # where cars come from, not where bicycles do; they turn, from one lane
        ("DA", ["QD", "DA"], 3.0),  # nor where buses alone do
        ("AN", ["AN"], 1.0),
    ],
)
def test_a_path_follows_the_street_to_the_next_signal(
    toy: PlanSet, name: str, edges: list[str], within: float
) -> None:
    approaches = mapped(toy)
    row, line = approaches.approaches[name], approaches.lines[name]
    assert row.junction == name[-1] and row.approach == name
    assert line.length == pytest.approx(driven(toy.network, edges), abs=within)
    shape = toy.network.lanes[f"{name}_0"].shape
    stop = approaches.metres(*around(ORIGIN)(shape[-1]))
    assert line.points[-1] == pytest.approx(stop, abs=2.0)  # half a lane beside it


def test_a_path_is_cut_at_the_reach(toy: PlanSet) -> None:
    near, far = mapped(toy, 150.0), mapped(toy)
    assert near.lines["UA"].length == pytest.approx(150.0, abs=0.5)
    assert near.approaches["UA"].path[-1] == far.approaches["UA"].path[-1]
    assert far.lines["UA"].length > 550.0


def test_what_follows_is_told_straightest_first(toy: PlanSet) -> None:
    approaches = mapped(toy).approaches
    assert approaches["UA"].then == ("VB", "V1", "AN")  # V1 bends off the way to VB
    assert approaches["NA"].then == ("", "VB", "V1")  # straight on leads off the map; nobody turns back
    assert approaches["VA"].then == ("", "AN")
    assert approaches["NEN"].then == ("NA",)


def test_what_follows_beyond_the_reach_is_what_lies_straight_on(toy: PlanSet) -> None:
    approaches = mapped(toy, 150.0).approaches
    assert approaches["UA"].then == ("VB", "AN")
    assert approaches["NA"].then == ("", "VB")


def test_approaches_are_called_as_the_plan_calls_them(toy: PlanSet) -> None:
    plan = toy.plans["A"]
    groups = tuple(replace(g, approach="west") if g.approach == "UA" else g for g in plan.groups)
    renamed = replace(toy, plans={**toy.plans, "A": replace(plan, groups=groups)})
    assert mapped(renamed).approaches["UA"].approach == "west"


def test_an_edge_before_two_signals_is_two_entries(toy: PlanSet) -> None:
    plans = {"A": toy.plans["A"], "A2": replace(toy.plans["A"], junction="A2")}
    movements = {"A": toy.movements["A"], "A2": toy.movements["A"]}
    approaches = mapped(replace(toy, plans=plans, movements=movements))
    assert {row.name for row in approaches.of_junction("A2")} == {f"A2/{x}A" for x in "UVND"}


@pytest.mark.parametrize("name", ["arterial", "cologne8"])
def test_every_approach_of_every_plan_is_in_the_map(name: str) -> None:
    scenario = scenario_or_skip(name)
    plan_set = plans_of(scenario)
    if is_projected(scenario.net):
        with projected(scenario) as degrees:
            approaches = read(mapped_approaches(plan_set, degrees))
    else:
        approaches = mapped(plan_set)
    wanted = {
        (plan.junction, group.approach)
        for plan in plan_set.plans.values()
        for group in plan.groups
        if group.kind in (GroupKind.VEHICLE, GroupKind.TRANSIT)
    }
    assert wanted == {(row.junction, row.approach) for row in approaches.approaches.values()}
    assert all(line.length <= 800.5 for line in approaches.lines.values())


def test_lengths_of_the_arterial_agree_with_its_lanes() -> None:
    """The bays begin with another number of lanes, where the middle of the road jumps aside."""
    plan_set = plans_of(scenario_or_skip("arterial"))
    lines = mapped(plan_set).lines
    for edges in (["J1_J2", "J1_J2_bay"], ["N1_J1", "N1_J1_bay"], ["J8_J7"]):
        assert lines[edges[-1]].length == pytest.approx(driven(plan_set.network, edges), abs=1.0), edges


def test_cologne_lies_in_cologne() -> None:
    scenario = scenario_or_skip("cologne8")
    with projected(scenario) as degrees:
        rows = mapped_approaches(plans_of(scenario), degrees)
    (south, north), (west, east) = COLOGNE
    assert all(south < lat < north and west < lon < east for row in rows for lat, lon in row.path)
    lines = read(rows).lines
    network = plans_of(scenario).network
    alone = network.lanes["22917421#3_0"].length  # a street between two signals
    assert lines["22917421#3"].length == pytest.approx(alone, abs=0.5)


def test_a_network_that_lies_nowhere_is_refused_with_the_remedy() -> None:
    scenario = scenario_or_skip("arterial")
    with pytest.raises(NetworkError, match=r"does not say where.*--origin LAT,LON"), projected(scenario):
        pass


def test_a_compressed_network_is_asked_for_its_projection_too() -> None:
    assert is_projected(scenario_or_skip("fkk_in").net)


def test_a_file_without_a_location_has_no_projection(tmp_path: Path) -> None:
    (tmp_path / "a.net.xml").write_text('<net><edge id="x"/></net>', encoding="utf-8")
    assert not is_projected(tmp_path / "a.net.xml")
