"""The process's one SUMO simulation.

libsumo keeps a single simulation per process and replaces it silently when another is started, so whoever
holds it is its owner until `close`. A second environment belongs in a helper process (`remote.py`).
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stopline_envs.deadlock import deadlocked
from stopline_envs.metrics import TripMetrics, read_trips, worst_approach
from stopline_envs.scenario import Scenario
from stopline_signals.errors import SimulationError

Call = Callable[..., Any]
STANDSTILL_EVERY_S = 10
EDGES = "edges.xml"
LOG_TAIL = 20
"""Lines of SUMO's log quoted in an error."""

GUI_COMMAND = ("sumo-gui", "--start", "true", "--quit-on-end", "true", "--delay", "50")
INCIDENTS = {
    "teleports": "stats.teleports.total",
    "collisions": "stats.safety.collisions",
    "emergency_stops": "stats.safety.emergencyStops",
    "emergency_brakings": "stats.safety.emergencyBraking",
    "jammed_people": "stats.persons.jammed",
}
"""Counted by SUMO itself; vehicles that teleport leave their place in a jam to others."""
_owner: SumoSimulation | None = None
_window: Any = None
"""The traci module while it speaks to a window."""


class SumoSimulation:
    """SUMO running one scenario in this process; times in whole seconds of simulation.

    Nothing runs before `start`. `trips` has SUMO write what `metrics` reads: a little slower, so training
    does without.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        *,
        trips: bool = False,
        extra_files: Sequence[Path] = (),
        options: Sequence[str] = (),
        gui: bool = False,
    ) -> None:
        """Prepare a run; `extra_files` load beside the scenario's routes, `options` go to SUMO as is.

        `gui` shows the run in a window of sumo-gui, which is slow: it is spoken to over TraCI.
        """
        self.scenario = scenario
        self.seed = seed
        self.now = scenario.begin
        self._trips = trips
        self._extra = tuple(extra_files)
        self._options = tuple(options)
        self._gui = gui
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._metrics: TripMetrics | None = None
        self._longest_stop = 0.0
        self._deadlocked = 0
        self._approaches: frozenset[str] = frozenset()
        self._classes: dict[str, str] = {}
        self._step: Call = _nothing_runs
        self._set_lamps: Call = _nothing_runs
        self._lamps: Call = _nothing_runs

    def start(self) -> None:
        """Load and start; SimulationError if SUMO refuses or another simulation runs in this process."""
        global _owner, _window  # noqa: PLW0603 (libsumo is one per process, and so is its owner)
        if _owner is not None:
            raise SimulationError(
                f"SUMO already runs scenario {_owner.scenario.name} in this process and libsumo holds only "
                "one: close it first, or use an environment face, which then runs in a helper process"
            )
        self._folder = tempfile.TemporaryDirectory(prefix="stopline-sumo-")
        command = self._command(Path(self._folder.name))
        try:
            if self._gui:
                _window = _open_window(command)
            else:
                libsumo_module().start(command)
        except Exception as error:
            last_words = self._explained(error)
            self._drop_folder()
            raise SimulationError(
                f"scenario {self.scenario.name}: SUMO did not start: {last_words}"
            ) from error
        _owner = self
        self._step = fast_call("simulation", "step")
        self._set_lamps = fast_call("trafficlight", "setRedYellowGreenState")
        self._lamps = fast_call("trafficlight", "getRedYellowGreenState")
        self.now = self.scenario.begin
        self._metrics = None
        self._longest_stop = 0.0
        self._deadlocked = 0
        if self._trips:
            self._approaches = _edges_before_signals()

    def step(self) -> None:
        """Run one second."""
        try:
            self._step(0.0)
        except Exception as error:
            last_words = self._explained(error)
            raise SimulationError(
                f"scenario {self.scenario.name}: SUMO stopped at {self.now} s: {last_words}"
            ) from error
        self.now += 1
        if self._trips and self.now % STANDSTILL_EVERY_S == 0:
            waiting = libsumo_module().vehicle.getWaitingTime
            waits = [waiting(name) for name in libsumo_module().vehicle.getIDList()]
            self._longest_stop = max(self._longest_stop, *waits, 0.0)

    @property
    def running(self) -> bool:
        """Whether this object holds the process's simulation."""
        return _owner is self

    def set_lamps(self, tls: str, state: str) -> None:
        """Show a state (one letter per link) from now on."""
        self._set_lamps(tls, state)

    def lamps(self, tls: str) -> str:
        """The state a signal shows, read back from SUMO."""
        return str(self._lamps(tls))

    def expected_vehicles(self) -> int:
        """Vehicles that are under way or still to come."""
        return int(libsumo_module().simulation.getMinExpectedNumber())

    def incidents(self) -> dict[str, int]:
        """What SUMO counted so far that ordinary traffic has none of."""
        read = libsumo_module().simulation.getParameter
        return {name: int(read("", key)) for name, key in INCIDENTS.items()}

    def close(self) -> None:
        """End the run and free the process for another; harmless when nothing runs."""
        global _owner, _window  # noqa: PLW0603 (libsumo is one per process, and so is its owner)
        if _owner is self and self._trips:
            with contextlib.suppress(Exception):  # as is one that ended by itself
                self._deadlocked = len(deadlocked(libsumo_module().vehicle))
            with contextlib.suppress(Exception):
                types: Any = libsumo_module().vehicletype
                self._classes = {name: str(types.getVehicleClass(name)) for name in types.getIDList()}
        if _owner is self:
            with contextlib.suppress(Exception):  # a crashed SUMO has nothing left to close
                libsumo_module().close()
            _owner = _window = None
        if self._trips and self._folder is not None and self._metrics is None:
            path = self._trip_file(Path(self._folder.name))
            if path.is_file():
                self._metrics = replace(
                    read_trips(path, self._classes),
                    longest_stop_s=self._longest_stop,
                    deadlocked=self._deadlocked,
                    worst_approach_s=worst_approach(path.with_name(EDGES), self._approaches),
                )
        self._drop_folder()

    def metrics(self) -> TripMetrics:
        """Figures of the whole run so far; closes the simulation, because SUMO writes them at its end."""
        self.close()
        if self._metrics is None:
            raise SimulationError(
                f"scenario {self.scenario.name}: no trip figures; start the simulation with trips=True"
            )
        return self._metrics

    def _command(self, folder: Path) -> list[str]:
        scenario = self.scenario
        command = ["sumo", "-n", str(scenario.net), "--begin", str(scenario.begin), "--step-length", "1"]
        routes = [str(path) for path in (*scenario.routes, *self._extra)]
        if routes:
            command += ["--route-files", ",".join(routes)]
        additional = [*scenario.additional, *([_edge_data(folder)] if self._trips else [])]
        if additional:
            command += ["--additional-files", ",".join(map(str, additional))]
        command += ["--seed", str(self.seed % 2**31), "--xml-validation", "never"]
        if "--time-to-teleport" not in self._options:
            command += ["--time-to-teleport", "-1"]
        command += ["--no-step-log", "true", "--duration-log.disable", "true", "--no-warnings", "true"]
        command += ["--error-log", str(folder / "error.log")]
        if self._trips:
            command += ["--tripinfo-output", str(self._trip_file(folder))]
            command += ["--tripinfo-output.write-unfinished", "--tripinfo-output.write-undeparted"]
        return [*command, *self._options]

    def _trip_file(self, folder: Path) -> Path:
        return folder / "trips.xml"

    def _explained(self, error: Exception) -> str:
        """SUMO's last words, and where in the route files they come from."""
        from stopline_envs.demand.check import explain_failure

        return explain_failure(self.scenario, self._last_words() or str(error))

    def _last_words(self) -> str:
        if self._folder is None:
            return ""
        log = Path(self._folder.name) / "error.log"
        if not log.is_file():
            return ""
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL:])

    def _drop_folder(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def simulation_running() -> bool:
    """Whether this process already holds a simulation (so that another one needs a helper process)."""
    return _owner is not None


def _edge_data(folder: Path) -> Path:
    """An additional file that has SUMO write what happened on each edge over the whole run."""
    path = folder / "edges.add.xml"
    path.write_text(f'<additional><edgeData id="whole" file="{EDGES}" excludeEmpty="true"/></additional>\n')
    return path


def _edges_before_signals() -> frozenset[str]:
    signals: Any = libsumo_module().trafficlight
    lanes = {lane for name in signals.getIDList() for lane in signals.getControlledLanes(name)}
    return frozenset(lane.rsplit("_", 1)[0] for lane in lanes if not lane.startswith(":"))


def libsumo_module() -> Any:
    """The libsumo module, or traci while a window is open; typed Any because they ship no types."""
    if _window is not None:
        return _window
    os.environ.setdefault("SUMO_HOME", "")  # libsumo finds its own data; an unset name only makes SUMO warn
    import libsumo

    return libsumo


def fast_call(domain: str, name: str) -> Call:
    """A libsumo function without its Python layer, whose checks cost a third of a small call.

    `simulation.step` among them: step listeners, which only that layer knows, are not called.
    """
    module = libsumo_module()
    compiled = getattr(getattr(module, "_libsumo", None), f"{domain}_{name}", None)
    call: Call = compiled or getattr(getattr(module, domain), name)
    return call


def _open_window(command: Sequence[str]) -> Any:
    import traci

    from stopline_envs.generate.sumo_tools import sumo_home

    program, *options = GUI_COMMAND
    if program == "sumo-gui" and sys.platform == "linux" and not os.environ.get("DISPLAY"):
        raise SimulationError(
            "a window needs a display and DISPLAY is not set: take render_mode='rgb_array', or set it"
        )
    window: Any = traci  # it ships no types
    window.start([str(sumo_home() / "bin" / program), *options, *command[1:]])
    return window


def _nothing_runs(*_: Any) -> Any:
    raise SimulationError("no simulation runs: call start first")
