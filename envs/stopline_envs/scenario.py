"""Scenarios: which network, traffic and time window a simulation runs, found by name or by file.

A scenario is data. Own networks are TOML files under `sumo_networks`; the maps of the SUMO wheel and of the
RESCO benchmark (bench extra) are located inside their wheels, never copied and never imported.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from stopline_envs.registry import FOREIGN, data_root, foreign_home
from stopline_envs.sensor_profiles import ZONES, SensorFaults, SensorProfile, sensors_from_table
from stopline_signals.errors import ScenarioError

_REQUIRED = ("name", "net", "begin", "end")
_KNOWN = {
    *_REQUIRED,
    "title",
    "routes",
    "additional",
    "warmup",
    "step",
    "windows",
    "emergency",
    "sensors",
    "notes",
    "licence",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyRoute:
    """An emergency vehicle that may be sent through a scenario; never part of its default demand.

    `file` is a SUMO route file that declares the vehicle type `vtype`, the route `route` and one vehicle on
    it, departing at `depart` s. Load it beside the routes, or add a vehicle on `edges` at another time.
    """

    file: Path
    vtype: str
    route: str
    edges: tuple[str, ...]
    depart: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One network with its traffic and time window; times in whole seconds of simulation, paths absolute.

    Simulation starts at `begin` with empty streets; the first `warmup` seconds may be left out of a training
    reward, never out of an evaluation. `windows` names shorter parts of the whole, as (name, begin, end).
    `sensors` and `faults` say what watches the street, and how well.
    """

    name: str
    net: Path
    routes: tuple[Path, ...]
    additional: tuple[Path, ...] = ()
    begin: int = 0
    end: int = 3600
    warmup: int = 0
    step: float = 1.0
    title: str = ""
    emergency: EmergencyRoute | None = None
    windows: tuple[tuple[str, int, int], ...] = ()
    notes: str = ""
    licence: str = ""
    sensors: SensorProfile = ZONES
    faults: SensorFaults | None = None

    def __post_init__(self) -> None:
        if self.begin < 0 or self.begin >= self.end:
            raise ScenarioError(
                f"scenario {self.name}: begin {self.begin} s must be 0 or more and before end {self.end} s"
            )
        if not 0 <= self.warmup < self.end - self.begin:
            raise ScenarioError(
                f"scenario {self.name}: warmup {self.warmup} s must fit in the {self.duration} s it runs"
            )
        if self.step <= 0:
            raise ScenarioError(f"scenario {self.name}: step {self.step} s must be more than 0")

    @property
    def duration(self) -> int:
        """Seconds from begin to end."""
        return self.end - self.begin

    def between(self, begin: int | None = None, end: int | None = None) -> Scenario:
        """The same scenario over another time window; raises ScenarioError if begin is not before end."""
        return replace(
            self, begin=self.begin if begin is None else begin, end=self.end if end is None else end
        )

    def window(self, name: str) -> Scenario:
        """The scenario over one of its named windows; raises ScenarioError naming those there are."""
        for known, begin, end in self.windows:
            if known == name:
                return self.between(begin, end)
        names = ", ".join(known for known, _, _ in self.windows) or "none"
        raise ScenarioError(f"scenario {self.name} has no window {name!r}; it has: {names}")

    def missing(self) -> tuple[Path, ...]:
        """The files of this scenario that do not exist."""
        files = (self.net, *self.routes, *self.additional)
        return tuple(path for path in files if not path.is_file())


def list_scenarios() -> tuple[str, ...]:
    """Every built-in name, own networks first; a foreign one also when its wheel is not installed."""
    return (*sorted(_own_files()), *FOREIGN)


def load_scenario(name: str | Path) -> Scenario:
    """The scenario of a built-in name or of a TOML file; raises ScenarioError with the remedy."""
    text = str(name)
    if text.endswith(".toml"):
        return _from_toml(Path(text))
    own = _own_files()
    if text in own:
        return _from_toml(own[text])
    if text in FOREIGN:
        return _foreign(text)
    known = ", ".join(list_scenarios())
    raise ScenarioError(
        f"unknown scenario {text!r}; known: {known}; or give the path of a scenario .toml file"
    )


def scenario_from_files(
    net: str | Path,
    routes: Sequence[str | Path],
    additional: Sequence[str | Path] = (),
    begin: int = 0,
    end: int = 3600,
    *,
    name: str | None = None,
) -> Scenario:
    """A scenario of the user's own files; raises ScenarioError for a missing file or begin not before end."""
    path = Path(net).absolute()
    return _checked(
        Scenario(
            name=name or path.name.removesuffix(".gz").removesuffix(".xml").removesuffix(".net"),
            net=path,
            routes=tuple(Path(route).absolute() for route in routes),
            additional=tuple(Path(extra).absolute() for extra in additional),
            begin=begin,
            end=end,
        )
    )


def _own_files() -> dict[str, Path]:
    return {path.stem: path for path in data_root().glob("*/*.toml")}


def _foreign(name: str) -> Scenario:
    entry = FOREIGN[name]
    home = foreign_home(name)
    return _checked(
        Scenario(
            name=name,
            title=entry.title,
            net=home / entry.net,
            routes=tuple(home / file for file in entry.routes)
            + tuple(data_root() / file for file in entry.own_routes),
            additional=tuple(home / file for file in entry.additional),
            begin=entry.begin,
            end=entry.end,
            step=entry.step,
            notes=entry.notes,
            licence=entry.licence,
        )
    )


def _from_toml(path: Path) -> Scenario:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"scenario file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"scenario file {path} is not TOML: {error}") from error
    _check_keys(path, table)
    home = path.absolute().parent
    try:
        sensors, faults = sensors_from_table(table.get("sensors"), f"scenario file {path}")
        return _checked(
            Scenario(
                name=str(table["name"]),
                title=str(table.get("title", "")),
                net=home / table["net"],
                routes=tuple(home / file for file in table.get("routes", ())),
                additional=tuple(home / file for file in table.get("additional", ())),
                begin=int(table["begin"]),
                end=int(table["end"]),
                warmup=int(table.get("warmup", 0)),
                step=float(table.get("step", 1.0)),
                windows=_windows(table.get("windows", {})),
                emergency=_emergency(home, table.get("emergency")),
                notes=str(table.get("notes", "")),
                licence=str(table.get("licence", "")),
                sensors=sensors,
                faults=faults,
            )
        )
    except (TypeError, ValueError, KeyError) as error:
        raise ScenarioError(f"scenario file {path} has an entry of the wrong kind: {error}") from error


def _check_keys(path: Path, table: dict[str, Any]) -> None:
    absent = [key for key in _REQUIRED if key not in table]
    if absent:
        raise ScenarioError(f"scenario file {path} lacks: {', '.join(absent)}")
    unknown = sorted(set(table) - _KNOWN)
    if unknown:
        raise ScenarioError(
            f"scenario file {path} has unknown entries: {', '.join(unknown)}; "
            f"known: {', '.join(sorted(_KNOWN))}"
        )
    for key in ("routes", "additional"):
        value = table.get(key, [])
        if not isinstance(value, list) or not all(
            isinstance(item, str) for item in cast("list[object]", value)
        ):
            raise ScenarioError(f"scenario file {path}: {key} must be a list of file names")


def _windows(table: dict[str, Any]) -> tuple[tuple[str, int, int], ...]:
    return tuple((name, int(entry["begin"]), int(entry["end"])) for name, entry in table.items())


def _emergency(home: Path, table: dict[str, Any] | None) -> EmergencyRoute | None:
    if table is None:
        return None
    return EmergencyRoute(
        file=home / table["file"],
        vtype=str(table["vtype"]),
        route=str(table["route"]),
        edges=tuple(str(edge) for edge in table["edges"]),
        depart=int(table["depart"]),
    )


def _checked(scenario: Scenario) -> Scenario:
    missing = scenario.missing()
    if scenario.emergency is not None and not scenario.emergency.file.is_file():
        missing = (*missing, scenario.emergency.file)
    if missing:
        names = ", ".join(str(path) for path in missing)
        raise ScenarioError(f"scenario {scenario.name}: file not found: {names}")
    return scenario
