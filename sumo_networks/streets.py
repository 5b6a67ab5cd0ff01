"""Plain-XML building blocks shared by the network scripts: streets, turn bays, crossings, netconvert."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

from stopline_envs.generate.sumo_tools import run_binary, strip_header

LANE = 3.2
SIDEWALK = 2.0
CLOCKWISE = "WNES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One street at a junction: `far` is the node at its other end, `bearing` its side (W, E, N, S).

    `through` lanes run each way; `bay` metres before the junction a left-turn lane is added (0: none).
    """

    bearing: str
    far: str
    through: int
    bay: float
    speed: float
    priority: int
    crossing: bool = True


@dataclass(slots=True)
class Streets:
    """Collects plain XML for netconvert; call `street`, `junction` and `cross`, then `build`."""

    nodes: dict[str, tuple[float, float, str]] = field(default_factory=dict[str, tuple[float, float, str]])
    edges: list[str] = field(default_factory=list[str])
    connections: list[str] = field(default_factory=list[str])

    def node(self, name: str, x: float, y: float, kind: str = "priority") -> None:
        """A node at x, y metres."""
        self.nodes[name] = (x, y, kind)

    def edge(self, name: str, start: str, end: str, lanes: int, arm: Arm, shift: float) -> None:
        """A one-way street of `lanes` lanes and a sidewalk on its right, moved `shift` m to its right."""
        shape = self._shape(start, end, shift)
        attributes = {
            "id": name, "from": start, "to": end, "numLanes": lanes + 1, "speed": f"{arm.speed:.2f}",
            "priority": arm.priority, "spreadType": "right", "shape": shape,
        }  # fmt: skip
        rows = [f"    <edge {_attributes(attributes)}>"]
        rows.append(f'        <lane index="0" allow="pedestrian" width="{SIDEWALK}"/>')
        rows += [
            f'        <lane index="{index}" disallow="pedestrian" width="{LANE}"/>'
            for index in range(1, lanes + 1)
        ]
        self.edges += [*rows, "    </edge>"]

    def connect(self, source: str, target: str, lane: int, target_lane: int) -> None:
        """Lane to lane; lane 0 is the sidewalk, so vehicles use 1 and up.

        Nobody waits inside the junction (contPos 0): a turn caught there by the end of its green blocks all
        others, a lock that SUMO does not solve without teleporting.
        """
        row = {"from": source, "to": target, "fromLane": lane, "toLane": target_lane, "contPos": 0}
        self.connections.append(f"    <connection {_attributes(row)}/>")

    def crossing(self, node: str, edges: tuple[str, ...]) -> None:
        """A signalised pedestrian crossing over `edges` at `node`."""
        row = {"node": node, "edges": " ".join(edges), "priority": "true", "width": "4.0"}
        self.connections.append(f"    <crossing {_attributes(row)}/>")

    def street(self, start: str, end: str, arm: Arm, *, bay: float) -> None:
        """One way from `start` to `end`; the last `bay` metres get a left-turn lane and their own edge."""
        name = f"{start}_{end}"
        if not bay:
            self.edge(name, start, end, arm.through, arm, LANE)
            return
        (x0, y0, _), (x1, y1, _) = self.nodes[start], self.nodes[end]
        part = bay / math.hypot(x1 - x0, y1 - y0)
        split = f"{name}_split"
        self.node(split, x1 + (x0 - x1) * part, y1 + (y0 - y1) * part)
        self.edge(name, start, split, arm.through, arm, LANE)
        # The extra lane lies in the strip left free along the centre line.
        self.edge(f"{name}_bay", split, end, arm.through + 1, arm, 0.0)
        for lane in range(1, arm.through + 1):
            self.connect(name, f"{name}_bay", lane, lane)
        self.connect(name, f"{name}_bay", arm.through, arm.through + 1)

    def junction(self, name: str, arms: list[Arm]) -> None:
        """All turns and crossings of a signalised junction; its streets must exist."""
        by_bearing = {arm.bearing: arm for arm in arms}
        for arm in arms:
            if arm.crossing:
                self.crossing(name, (self.approach(name, arm), f"{name}_{arm.far}"))
            # Turning clockwise from the side one comes from: left, ahead, right.
            here = CLOCKWISE.index(arm.bearing)
            left, ahead, right = (by_bearing.get(CLOCKWISE[(here + turn) % 4]) for turn in (1, 2, 3))
            self._turns(name, arm, left, ahead, right)

    def approach(self, name: str, arm: Arm) -> str:
        """The edge that ends at junction `name` from `arm`."""
        return f"{arm.far}_{name}" + ("_bay" if arm.bay else "")

    def _turns(self, name: str, arm: Arm, left: Arm | None, ahead: Arm | None, right: Arm | None) -> None:
        source = self.approach(name, arm)
        if right is not None:
            self.connect(source, f"{name}_{right.far}", 1, 1)
        if ahead is not None:
            for lane in range(1, min(arm.through, ahead.through) + 1):
                self.connect(source, f"{name}_{ahead.far}", lane, lane)
        if left is not None:
            leftmost = arm.through + (1 if arm.bay else 0)
            self.connect(source, f"{name}_{left.far}", leftmost, left.through)

    def build(self, net: Path, work: Path, **options: object) -> None:
        """Write the network file `net` by netconvert, using the folder `work` for the plain XML."""
        rows = [
            f"    <node {_attributes({'id': name, 'x': f'{x:.1f}', 'y': f'{y:.1f}', 'type': kind})}/>"
            for name, (x, y, kind) in self.nodes.items()
        ]
        write_xml(work / "plain.nod.xml", "nodes", rows)
        write_xml(work / "plain.edg.xml", "edges", self.edges)
        write_xml(work / "plain.con.xml", "connections", self.connections)
        run_binary(
            "netconvert",
            {
                "node-files": work / "plain.nod.xml",
                "edge-files": work / "plain.edg.xml",
                "connection-files": work / "plain.con.xml",
                "output-file": net,
                "no-turnarounds": True,
                "walkingareas": True,
                "default.junctions.radius": 6,
                "junctions.corner-detail": 3,
                "offset.disable-normalization": True,
                **options,
            },
        )
        strip_header(net)

    def _shape(self, start: str, end: str, shift: float) -> str:
        (x0, y0, _), (x1, y1, _) = self.nodes[start], self.nodes[end]
        length = math.hypot(x1 - x0, y1 - y0)
        right_x, right_y = (y1 - y0) / length * shift, -(x1 - x0) / length * shift
        points = ((x0 + right_x, y0 + right_y), (x1 + right_x, y1 + right_y))
        return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)


def write_xml(path: Path, root: str, rows: list[str]) -> None:
    """A file of one root element holding `rows`."""
    path.write_text("\n".join([f"<{root}>", *rows, f"</{root}>"]) + "\n", encoding="utf-8")


def _attributes(row: Mapping[str, object]) -> str:
    return " ".join(f"{key}={quoteattr(str(value))}" for key, value in row.items())
