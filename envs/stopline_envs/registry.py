"""Where scenario data lives: the checkout, the installed package, the SUMO wheel, the RESCO maps."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from stopline_signals.errors import ScenarioError

_RESCO = "nets/RESCO"
_RILSA = "tools/sumolib/scenario/scenarios/RealWorld"
_COLOGNE = "CC BY-NC-SA 3.0 (TAPAS Cologne): located in the sumo-rl wheel, never shipped"
_INGOLSTADT = "GPL-3 (TUM-VT Ingolstadt): located in the sumo-rl wheel, never shipped"
_GRID = "CC BY-NC-SA 4.0 (RESCO): located in the sumo-rl wheel, never shipped"
_SUMO = "EPL-2.0 OR GPL-2.0-or-later: located in the SUMO wheel"
_EXTRAS = {"sumo_rl": "stopline[bench]", "sumo": "stopline[sim]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """One scenario of another project's wheel: `package` holds the files, `own_routes` are ours for it."""

    package: str
    title: str
    net: str
    routes: tuple[str, ...]
    begin: int
    end: int
    licence: str
    additional: tuple[str, ...] = ()
    own_routes: tuple[str, ...] = ()
    step: float = 1.0
    notes: str = ""


def data_root() -> Path:
    """The folder of own networks: `sumo_networks` of the checkout, else `_data` of the installed package."""
    here = Path(__file__).resolve()
    checkout = here.parents[2] / "sumo_networks"
    return checkout if checkout.is_dir() else here.parent / "_data"


def foreign_home(name: str) -> Path:
    """The installed package of a foreign scenario; raises ScenarioError naming the extra to install."""
    package = FOREIGN[name].package
    # find_spec only: importing sumo_rl raises unless SUMO_HOME is set.
    spec = importlib.util.find_spec(package)
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    if not places:
        raise ScenarioError(
            f"scenario {name} comes inside the package {package}, which is not installed: "
            f"pip install '{_EXTRAS[package]}'"
        )
    return Path(places[0])


def _resco(name: str, title: str, begin: int, licence: str, *, routes: str = "", notes: str = "") -> Foreign:
    return Foreign(
        package="sumo_rl",
        title=title,
        net=f"{_RESCO}/{name}/{name}.net.xml",
        routes=(f"{_RESCO}/{name}/{routes or name}.rou.xml",),
        begin=begin,
        end=begin + 3600,
        licence=licence,
        notes=notes,
    )


def _rilsa(number: int) -> Foreign:
    home = f"{_RILSA}/RiLSA_example{number}"
    return Foreign(
        package="sumo",
        title=f"Example junction {number} of the German guideline for traffic signals",
        net=f"{home}/rilsa{number}.net.xml",
        routes=(f"{home}/vtypes.add.xml",),
        own_routes=("rilsa/rilsa2.rou.xml" if number == 2 else "rilsa/rilsa.rou.xml",),
        additional=(f"{home}/rilsa{number}_tls.add.xml",),
        begin=0,
        end=3600,
        licence=_SUMO,
        notes="The wheel leaves out this junction's demand; the flows are this project's own and light.",
    )


FOREIGN: dict[str, Foreign] = {
    "cologne1": _resco("cologne1", "Cologne, one junction, 7-8 h", 25200, _COLOGNE),
    "cologne3": _resco("cologne3", "Cologne, a corridor of three, 7-8 h", 25200, _COLOGNE),
    "cologne8": _resco("cologne8", "Cologne, a district of eight, 7-8 h", 25200, _COLOGNE),
    "ingolstadt1": _resco("ingolstadt1", "Ingolstadt, one junction, 16-17 h", 57600, _INGOLSTADT),
    "ingolstadt7": _resco("ingolstadt7", "Ingolstadt, a corridor of seven, 16-17 h", 57600, _INGOLSTADT),
    "ingolstadt21": _resco("ingolstadt21", "Ingolstadt, a district of 21, 16-17 h", 57600, _INGOLSTADT),
    "grid4x4": _resco("grid4x4", "Synthetic grid of 16", 0, _GRID, routes="grid4x4_1"),
    "arterial4x4": _resco(
        "arterial4x4",
        "Synthetic avenues of 16",
        0,
        _GRID,
        routes="arterial4x4_1",
        notes="RESCO's map; not this project's own `arterial`.",
    ),
    "fkk_in": Foreign(
        package="sumo",
        title="Ingolstadt from SUMO's game, 18 signals with crossings and bicycles",
        net="tools/game/fkk_in/ingolstadt.net.xml.gz",
        routes=("tools/game/fkk_in/fkk_in.rou.xml",),
        additional=("tools/game/fkk_in/fkk_in.tls.add.xml",),
        begin=0,
        end=900,
        licence=_SUMO,
        # The game steps 0.2 s; here it steps 1 s like everything else.
        notes="A test of the network reader, no evaluation case: its flows never end and nobody walks.",
    ),
    **{f"rilsa{number}": _rilsa(number) for number in range(1, 5)},
}
