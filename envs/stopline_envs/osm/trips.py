"""Random demand for an imported network, by SUMO's randomTrips."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from stopline_envs.generate.sumo_tools import run_script, strip_header
from stopline_signals.errors import NetworkError, SimulationError

TO_EDGE = 5
"""How much likelier trips begin and end at the map's edge than inside."""
WALKERS_PER_VEHICLE = 0.2
LONGEST_WALK_M = 1500


def write_trips(
    net: Path, folder: Path, seed: int, *, vehicles_per_hour: int, duration: int, walking: bool
) -> list[Path]:
    """Write routes of vehicles, and of walkers if asked for; the files."""
    files = [folder / "vehicles.rou.xml"]
    with TemporaryDirectory() as work:
        period = 3600 / vehicles_per_hour
        _random(
            net, files[0], Path(work), seed, period, duration, ["--validate", "--fringe-factor", str(TO_EDGE)]
        )
        if walking:
            files.append(folder / "people.rou.xml")
            walks = ["--pedestrians", "--prefix", "walk_", "--max-distance", str(LONGEST_WALK_M)]
            _random(net, files[1], Path(work), seed + 1, period / WALKERS_PER_VEHICLE, duration, walks)
    return files


def _random(
    net: Path, file: Path, work: Path, seed: int, period: float, duration: int, more: list[str]
) -> None:
    arguments = ["--net-file", str(net), "--route-file", str(work / file.name), "--seed", str(seed)]
    arguments += [
        "--output-trip-file",
        str(work / f"trips-{file.name}"),
        "--begin",
        "0",
        "--end",
        str(duration),
    ]
    arguments += ["--period", f"{period:.4f}"]
    arguments += ["--random-depart", "--min-distance", "100"]
    try:
        run_script("randomTrips.py", [*arguments, *more])
    except SimulationError as error:
        raise NetworkError(
            f"{net}: no demand could be made for it: {error}. Its streets may not connect; take a larger cut"
        ) from error
    strip_header(work / file.name)
    file.write_bytes((work / file.name).read_bytes())
