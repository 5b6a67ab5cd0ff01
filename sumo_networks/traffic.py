"""Demand for the networks built here: who drives, rides, and walks where, as SUMO flows.

Flows have exponential headways and draw their routes from per-origin distributions, so a seed of the
simulation decides who comes when: paired seeds are paired days, not one day replayed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sumo_networks.streets import write_xml

SLICE = 300  # s, the grain of the demand profile
TYPES = (
    '    <vTypeDistribution id="traffic">',
    '        <vType id="car" vClass="passenger" length="4.6" speedFactor="normc(1,0.1,0.75,1.25)"'
    ' probability="0.90"/>',
    '        <vType id="van" vClass="delivery" length="6.2" accel="2.0"'
    ' speedFactor="normc(0.97,0.08,0.75,1.2)" probability="0.06"/>',
    '        <vType id="truck" vClass="truck" length="8.5" accel="1.6"'
    ' speedFactor="normc(0.93,0.05,0.8,1.05)" probability="0.04"/>',
    "    </vTypeDistribution>",
    '    <vType id="bus" vClass="bus" length="12" accel="1.5" speedFactor="normc(0.95,0.05,0.85,1.05)"/>',
    '    <vType id="walker" vClass="pedestrian" speedFactor="normc(0.95,0.12,0.7,1.3)"/>',
)
EMERGENCY_TYPE = (
    '    <vType id="emergency" vClass="emergency" length="6.5" accel="2.9" decel="5.5" sigma="0.2"'
    ' speedFactor="1.4" guiShape="emergency"/>'
)


def routes(paths: Mapping[str, Mapping[str, tuple[Sequence[str], float]]]) -> list[str]:
    """One route distribution per origin from origin -> destination -> (edges, weight)."""
    rows: list[str] = []
    for origin, targets in paths.items():
        whole = sum(weight for _, weight in targets.values())
        rows.append(f'    <routeDistribution id="from_{origin}">')
        rows += [
            f'        <route id="{origin}_to_{target}" edges="{" ".join(edges)}"'
            f' probability="{weight / whole:.4f}"/>'
            for target, (edges, weight) in targets.items()
        ]
        rows.append("    </routeDistribution>")
    return rows


def flows(volumes: Mapping[str, float], level: float, number: int) -> list[str]:
    """Vehicle flows of each origin (veh/h at the peak) in one slice of the profile."""
    begin = number * SLICE
    return [
        f'    <flow id="{origin}_{number:02d}" type="traffic" route="from_{origin}" begin="{begin}"'
        f' end="{begin + SLICE}" period="exp({volume * level / 3600:.5f})"'
        ' departLane="best" departSpeed="max"/>'
        for origin, volume in volumes.items()
    ]


def bus_line(
    line: str, edges: Sequence[str], stops: Sequence[str], *, first: int, every: int, end: int
) -> list[str]:
    """A bus line on `edges`, dwelling 20 s at each stop, as a route and a flow."""
    rows = [f'    <flow id="bus_{line}" type="bus" begin="{first}" end="{end}" period="{every}"'
            ' departLane="best">', f'        <route edges="{" ".join(edges)}"/>']  # fmt: skip
    rows += [f'        <stop busStop="{stop}" duration="20"/>' for stop in stops]
    return [*rows, "    </flow>"]


def bus_stop(name: str, lane: str, start: int) -> str:
    """A stop for one bus on the lane, `start` m after its beginning."""
    place = f'startPos="{start}" endPos="{start + 15}" friendlyPos="true"'
    return f'    <busStop id="{name}" lane="{lane}" {place}/>'


def walkers(name: str, start: str, end: str, per_hour: float, number: int) -> list[str]:
    """People who walk past one junction in one slice, from its approach `start` along to its exit `end`."""
    # In slices, because SUMO drops a flow of people whole if it begins before the simulation does.
    begin = number * SLICE
    return [
        f'    <personFlow id="walk_{name}_{number:02d}" type="walker" begin="{begin}" end="{begin + SLICE}"'
        f' period="exp({per_hour / 3600:.5f})" departPos="random">',
        f'        <walk from="{start}" to="{end}" arrivalPos="30"/>',
        "    </personFlow>",
    ]


def emergency(path: Path, edges: Sequence[str], depart: int) -> None:
    """The emergency vehicle's own file: type, route, and one trip."""
    write_xml(
        path,
        "routes",
        [
            EMERGENCY_TYPE,
            f'    <route id="emergency_route" edges="{" ".join(edges)}"/>',
            f'    <vehicle id="emergency_0" type="emergency" route="emergency_route" depart="{depart}"'
            ' departLane="best" departSpeed="max"/>',
        ],
    )


def peak_hour(path: Path, paths: Mapping[str, Mapping[str, tuple[Sequence[str], float]]],
              volumes: Mapping[str, float]) -> None:  # fmt: skip
    """One hour at peak volumes as evenly spaced vehicles with routes: what SUMO's timing tools read."""
    rows: list[tuple[float, str]] = []
    for origin, targets in paths.items():
        whole = sum(weight for _, weight in targets.values())
        for target, (edges, weight) in targets.items():
            count = max(1, round(volumes[origin] * weight / whole))
            for number in range(count):
                depart = (number + 0.5) * 3600 / count
                text = (
                    f'    <vehicle id="{origin}_{target}_{number}" depart="{depart:.2f}">'
                    f'<route edges="{" ".join(edges)}"/></vehicle>'
                )
                rows.append((depart, text))
    write_xml(path, "routes", [text for _, text in sorted(rows)])
