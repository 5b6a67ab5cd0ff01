"""From a map file to a scenario whose signal plans are fit to be controlled."""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from stopline_envs.generate.roads import serve_crossings
from stopline_envs.generate.sumo_tools import run_binary, strip_header, sumo_home
from stopline_envs.osm.trips import write_trips
from stopline_envs.plans import PlanSet, read_plans
from stopline_envs.scenario import Scenario, load_scenario
from stopline_signals.errors import NetworkError, SimulationError
from stopline_signals.findings import Finding, Severity
from stopline_signals.verify import verify

CYCLES_S = (90, 110, 130, 150)
"""Cycle lengths tried until all plans have room for their minimum greens and clearances."""
MOST_VEHICLES_PER_HOUR = 20000
GUESS_FROM_MPS = 40.0
"""Guessed signals stand where the speed limits of all lanes that come in add up to this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of a map: the scenario, its plans, and what the book says of each signal."""

    scenario: Scenario
    plans: PlanSet
    findings: Mapping[str, tuple[Finding, ...]]

    @property
    def errors(self) -> tuple[tuple[str, Finding], ...]:
        """Findings that must not go to a street, with their signals."""
        return tuple(
            (signal, finding)
            for signal, found in self.findings.items()
            for finding in found
            if finding.severity is Severity.ERROR
        )


def import_osm(
    osm: str | Path,
    out_dir: str | Path,
    *,
    seed: int = 1,
    vehicles_per_hour: int = 600,
    duration: int = 3600,
    crossings: bool = True,
    guess_signals: bool = False,
) -> Imported:
    """Write a scenario of a map file (.osm, .osm.xml, .osm.gz) into a folder; equal arguments, equal bytes.

    Signals near each other at one junction become one; each gets stages of opposite approaches, yellow by
    speed, 2 s of all red, and a cycle with room for everybody's minimum.

    Args:
        osm: what openstreetmap.org's Export or the Overpass API gives.
        out_dir: folder for net, routes and `scenario.toml`; made if absent.
        seed: of the trips.
        vehicles_per_hour: random trips, begun and ended at the map's edge five times as often as inside.
        duration: seconds of demand, and of the scenario.
        crossings: sidewalks along streets, signalised crossings, and people walking.
        guess_signals: give signals to large junctions too that the map does not say have any.

    Raises:
        NetworkError: no such file, not a map, no street or no signal in it; with the remedy.
        SimulationError: one of SUMO's tools failed, with its last words.
    """
    _check(Path(osm), vehicles_per_hour, duration)
    target = Path(out_dir).absolute()
    target.mkdir(parents=True, exist_ok=True)
    net = target / "net.net.xml"
    plans, findings = _network(Path(osm), net, crossings=crossings, guess_signals=guess_signals)
    routes = write_trips(
        net, target, seed, vehicles_per_hour=vehicles_per_hour, duration=duration, walking=crossings
    )
    _write_scenario(target / "scenario.toml", Path(osm), routes, duration)
    return Imported(scenario=load_scenario(target / "scenario.toml"), plans=plans, findings=findings)


def _network(
    osm: Path, net: Path, *, crossings: bool, guess_signals: bool
) -> tuple[PlanSet, dict[str, tuple[Finding, ...]]]:
    """Write the network with the shortest cycle that has room for all; its plans and their findings."""
    for cycle in CYCLES_S[:-1]:
        _convert(osm, net, cycle, crossings=crossings, guess_signals=guess_signals)
        plans, findings = _judged(osm, net)
        if not any(finding.severity is Severity.ERROR for found in findings.values() for finding in found):
            return plans, findings
    _convert(osm, net, CYCLES_S[-1], crossings=crossings, guess_signals=guess_signals)
    return _judged(osm, net)


def _check(osm: Path, vehicles_per_hour: int, duration: int) -> None:
    if not osm.is_file():
        raise NetworkError(f"{osm}: no such file; export a map from openstreetmap.org, or check the path")
    if not 1 <= vehicles_per_hour <= MOST_VEHICLES_PER_HOUR:
        raise NetworkError(f"{vehicles_per_hour} vehicles per hour: it must be 1 to {MOST_VEHICLES_PER_HOUR}")
    if duration < 60:
        raise NetworkError(f"duration must be 60 s or more, not {duration}")
    try:
        with gzip.open(osm) if osm.suffix == ".gz" else osm.open("rb") as stream:
            root = ET.parse(stream).getroot()
    except (ET.ParseError, OSError, EOFError) as error:
        raise NetworkError(
            f"{osm}: is not an OpenStreetMap file in XML ({error}); export it as .osm, not as .pbf or .json"
        ) from error
    if root.tag != "osm":
        raise NetworkError(f"{osm}: the root element is <{root.tag}>, not <osm>; give an OpenStreetMap file")


def _convert(osm: Path, net: Path, cycle: int, *, crossings: bool, guess_signals: bool) -> None:
    options: dict[str, object] = {
        "osm-files": osm,
        "type-files": sumo_home() / "data" / "typemap" / "osmNetconvert.typ.xml",
        "geometry.remove": True,
        "roundabouts.guess": True,
        "ramps.guess": True,
        "junctions.join": True,
        "junctions.corner-detail": 3,
        "remove-edges.isolated": True,
        "keep-edges.by-vclass": "passenger",
        "no-turnarounds.except-deadend": True,
        "default.connection.cont-pos": 0,
        "tls.guess": guess_signals,
        "tls.guess.threshold": GUESS_FROM_MPS,
        "tls.guess-signals": True,
        "tls.discard-simple": False,
        "tls.join": True,
        "tls.default-type": "static",
        "tls.cycle.time": cycle,
        "tls.allred.time": 2,
        "tls.crossing-min.time": 7,
        "tls.crossing-clearance.time": 10,
        "output.street-names": True,
        "no-warnings": True,
    }
    if crossings:
        options |= {
            "sidewalks.guess": True,
            "sidewalks.guess.max-speed": 22.3,
            "sidewalks.guess.min-speed": 1,
            "crossings.guess": True,
            "crossings.guess.speed-threshold": 2,
        }
    with TemporaryDirectory() as folder:
        draft = Path(folder) / "net.net.xml"
        try:
            run_binary("netconvert", {**options, "output-file": draft})
        except SimulationError as error:
            raise NetworkError(f"{osm}: no network came of it: {error}") from error
        strip_header(draft)
        serve_crossings(draft)
        net.write_bytes(draft.read_bytes())


def _judged(osm: Path, net: Path) -> tuple[PlanSet, dict[str, tuple[Finding, ...]]]:
    try:
        plans = read_plans(net)
    except NetworkError as error:
        raise NetworkError(
            f"{osm}: {error}. The map has no node tagged highway=traffic_signals on a street with traffic; "
            "take a larger cut of it, or let signals be guessed (--guess-signals)"
        ) from error
    return plans, {signal: verify(plan) for signal, plan in plans.plans.items()}


def _write_scenario(path: Path, osm: Path, routes: list[Path], duration: int) -> None:
    name = osm.name.removesuffix(".gz").removesuffix(".xml").removesuffix(".osm")
    files = ", ".join(f'"{route.name}"' for route in routes)
    rows = [
        f'name = "{name}"',
        f'title = "Imported from OpenStreetMap: {osm.name}"',
        'net = "net.net.xml"',
        f"routes = [{files}]",
        "begin = 0",
        f"end = {duration}",
        'notes = "Signal plans are netconvert\'s, judged by the book; demand is random trips, not counts."',
        'licence = "Map data from OpenStreetMap contributors, ODbL 1.0"',
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
