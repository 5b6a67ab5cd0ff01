"""SUMO network files as plain values: lanes, connections, junctions, signal programs."""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stopline_signals.errors import NetworkError

Point = tuple[float, float]

DEFAULT_LANE_WIDTH = 3.2
CROSSING_WIDTH = 4.0
TIMING = ("minDur", "maxDur", "vehext", "yellow", "red")

CLASSES = frozenset(
    [
        "private",
        "emergency",
        "authority",
        "army",
        "vip",
        "pedestrian",
        "passenger",
        "hov",
        "taxi",
        "bus",
        "coach",
        "delivery",
        "truck",
        "trailer",
        "motorcycle",
        "moped",
        "bicycle",
        "evehicle",
        "tram",
        "rail_urban",
        "rail",
        "rail_electric",
        "rail_fast",
        "ship",
        "container",
        "cable_car",
        "subway",
        "aircraft",
        "wheelchair",
        "scooter",
        "drone",
        "custom1",
        "custom2",
    ]
)
"""SUMO's vehicle classes; a lane that forbids some lets in the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One lane: lengths in metres, speed in m/s, shape from its start to its end."""

    id: str
    edge: str
    length: float
    speed: float
    width: float
    shape: tuple[Point, ...]
    classes: frozenset[str] | None
    """Vehicle classes let in; None = all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One movement from lane to lane; `via` is its first internal lane ("" where the net has none)."""

    source: str
    target: str
    via: str
    direction: str
    tls: str = ""
    link: int = -1
    inner_link: int = -1
    """Link index of the signal that stops this movement again inside the junction (-1 = none)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Right of way of one junction link: bit j of a mask stands for junction link j."""

    response: int
    foes: int
    cont: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Junction:
    """A junction with its incoming lanes in link order and one request per link."""

    id: str
    kind: str
    incoming: tuple[str, ...]
    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One phase of a program; durations in seconds, `timing` what else a NEMA phase states."""

    duration: float
    state: str
    longest: float | None = None
    name: str = ""
    timing: Mapping[str, float] = field(default_factory=dict[str, float], repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A signal program as the network or an additional file states it; offset in seconds."""

    tls: str
    program: str
    kind: str
    offset: float
    phases: tuple[Phase, ...]
    where: str
    params: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def cycle(self) -> float:
        """Sum of the phase durations, s."""
        return sum(phase.duration for phase in self.phases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Everything the plan reader needs of one network file."""

    path: Path
    lanes: Mapping[str, Lane]
    edges: Mapping[str, tuple[str, str]]
    """Edge id -> (function, name of the junction it ends at)."""
    connections: tuple[Connection, ...]
    junctions: Mapping[str, Junction]
    programs: Mapping[str, tuple[Program, ...]]
    leaving: Mapping[str, tuple[Connection, ...]] = field(repr=False)
    entering: Mapping[str, tuple[Connection, ...]] = field(repr=False)
    """Connections into a lane, those over internal lanes seen as one hop."""


def read_network(path: Path | str, additional: Iterable[Path | str] = ()) -> Network:
    """Read a SUMO net (.net.xml or .net.xml.gz) and the programs of additional files.

    Raises:
        NetworkError: missing or truncated file (with the line), or no SUMO net inside.
    """
    path = Path(path)
    root = _parse(path)
    if root.tag != "net":
        raise NetworkError(f"{path}: the root element is <{root.tag}>, not <net>; give a SUMO network")
    lanes, edges = _lanes(root, path)
    connections = tuple(_connection(element, path) for element in root.iter("connection"))
    leaving, entering = _index(connections)
    return Network(
        path=path,
        lanes=lanes,
        edges=edges,
        connections=connections,
        junctions={
            j.id: j for j in (_junction(e, path) for e in root.iter("junction")) if j.kind != "internal"
        },
        programs=_programs(root, path, additional),
        leaving=leaving,
        entering=entering,
    )


def junction_shapes(path: Path) -> tuple[tuple[Point, ...], ...]:
    """The outlines of a network's junctions, for drawing."""
    junctions = _parse(path).iter("junction")
    return tuple(_shape(row.get("shape", ""), f"{path}: junction {row.get('id')!r}") for row in junctions)


def _parse(path: Path) -> ElementTree.Element:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            return ElementTree.parse(stream).getroot()
    except FileNotFoundError:
        raise NetworkError(f"{path}: no such file; check the path") from None
    except (OSError, EOFError) as error:
        raise NetworkError(f"{path}: cannot be read ({error}); check the file") from error
    except ElementTree.ParseError as error:
        line, column = error.position
        raise NetworkError(
            f"{path}:{line}: not well-formed XML at column {column} ({error.msg}); the file may be "
            "truncated, make it anew"
        ) from error


def _programs(
    root: ElementTree.Element, path: Path, additional: Iterable[Path | str]
) -> dict[str, tuple[Program, ...]]:
    """All programs per signal in loading order: SUMO runs the last one loaded."""
    found: dict[str, list[Program]] = {}
    sources = [(root, path), *((_parse(Path(extra)), Path(extra)) for extra in additional)]
    for tree, source in sources:
        for element in tree.iter("tlLogic"):
            program = _program(element, source)
            found.setdefault(program.tls, []).append(program)
    return {tls: tuple(programs) for tls, programs in found.items()}


def _program(element: ElementTree.Element, path: Path) -> Program:
    tls, name = element.get("id", ""), element.get("programID", "")
    where = f"{path}: signal {tls!r}, program {name!r}"
    if not tls:
        raise NetworkError(f"{path}: a <tlLogic> has no id; name the signal it is for")
    phases = tuple(_phase(e, f"{where}, phase {i}") for i, e in enumerate(element.findall("phase")))
    widths = {len(phase.state) for phase in phases}
    if len(widths) > 1:
        raise NetworkError(
            f"{where}: its phases have states of {sorted(widths)} characters; give all one length"
        )
    return Program(
        tls=tls,
        program=name,
        kind=element.get("type", "static"),
        offset=_number(element, "offset", where, 0.0),
        phases=phases,
        where=where,
        params={e.get("key", ""): e.get("value", "") for e in element.findall("param")},
    )


def _phase(element: ElementTree.Element, where: str) -> Phase:
    state = element.get("state", "")
    unknown = set(state) - set("rRyYgGuUoOs")
    if not state or unknown:
        raise NetworkError(f"{where}: state {state!r} cannot be read; use the characters r y g G u o O s")
    longest = element.get("maxDur")
    return Phase(
        duration=_number(element, "duration", where),
        state=state,
        longest=None if longest is None else _number(element, "maxDur", where),
        name=element.get("name", ""),
        timing={key: _number(element, key, where) for key in TIMING if key in element.attrib},
    )


def _lanes(root: ElementTree.Element, path: Path) -> tuple[dict[str, Lane], dict[str, tuple[str, str]]]:
    lanes: dict[str, Lane] = {}
    edges: dict[str, tuple[str, str]] = {}
    for edge in root.iter("edge"):
        name, function = edge.get("id", ""), edge.get("function", "normal")
        edges[name] = (function, edge.get("to", ""))
        width = CROSSING_WIDTH if function == "crossing" else DEFAULT_LANE_WIDTH
        for element in edge.findall("lane"):
            lane = _lane(element, name, width, path)
            lanes[lane.id] = lane
    return lanes, edges


def _lane(element: ElementTree.Element, edge: str, width: float, path: Path) -> Lane:
    where = f"{path}: lane {element.get('id', '')!r}"
    return Lane(
        id=element.get("id", ""),
        edge=edge,
        length=_number(element, "length", where),
        speed=_number(element, "speed", where),
        width=_number(element, "width", where, width),
        shape=_shape(element.get("shape", ""), where),
        classes=_classes(element),
    )


def _classes(element: ElementTree.Element) -> frozenset[str] | None:
    allow, disallow = element.get("allow"), element.get("disallow")
    if allow is not None:
        return None if allow == "all" else frozenset(allow.split())
    if disallow is not None:
        return frozenset() if disallow == "all" else CLASSES - frozenset(disallow.split())
    return None


def _shape(text: str, where: str) -> tuple[Point, ...]:
    try:
        pairs = (point.split(",") for point in text.split())
        return tuple((float(pair[0]), float(pair[1])) for pair in pairs)
    except (ValueError, IndexError):
        raise NetworkError(f"{where}: shape {text!r} cannot be read; give x,y pairs") from None


def _connection(element: ElementTree.Element, path: Path) -> Connection:
    source = f"{element.get('from')}_{element.get('fromLane')}"
    target = f"{element.get('to')}_{element.get('toLane')}"
    where = f"{path}: connection {source} -> {target}"
    tls = element.get("tl", "")
    return Connection(
        source=source,
        target=target,
        via=element.get("via", ""),
        direction=element.get("dir", ""),
        tls=tls,
        link=int(_number(element, "linkIndex", where)) if tls else -1,
        inner_link=int(_number(element, "linkIndex2", where, -1.0)),
    )


def _junction(element: ElementTree.Element, path: Path) -> Junction:
    name = element.get("id", "")
    requests: list[Request] = []
    for i, request in enumerate(element.findall("request")):
        where = f"{path}: junction {name!r}, request {i}"
        requests.append(
            Request(
                response=_bits(request.get("response", ""), where),
                foes=_bits(request.get("foes", ""), where),
                cont=request.get("cont") in ("1", "true", "x"),
            )
        )
    return Junction(
        id=name,
        kind=element.get("type", ""),
        incoming=tuple(element.get("incLanes", "").split()),
        requests=tuple(requests),
    )


def _bits(text: str, where: str) -> int:
    try:
        return int(text or "0", 2)
    except ValueError:
        raise NetworkError(f"{where}: {text!r} is not a row of 0 and 1; make the network anew") from None


def _number(element: ElementTree.Element, name: str, where: str, default: float | None = None) -> float:
    text = element.get(name)
    if text is None and default is not None:
        return default
    try:
        return float(text or "")
    except ValueError:
        raise NetworkError(f"{where}: {name}={text!r} is not a number; correct it") from None


def _index(
    connections: tuple[Connection, ...],
) -> tuple[dict[str, tuple[Connection, ...]], dict[str, tuple[Connection, ...]]]:
    leaving: dict[str, list[Connection]] = {}
    entering: dict[str, list[Connection]] = {}
    for connection in connections:
        leaving.setdefault(connection.source, []).append(connection)
        if not connection.source.startswith(":"):
            entering.setdefault(connection.target, []).append(connection)
    return ({k: tuple(v) for k, v in leaving.items()}, {k: tuple(v) for k, v in entering.items()})
