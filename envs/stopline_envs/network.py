"""All junctions of a scenario run together: the core under every environment and every evaluation."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from pathlib import Path

from stopline_envs.faults import FaultySensors, SensorFaults
from stopline_envs.junction import SimJunction
from stopline_envs.metrics import TripMetrics
from stopline_envs.monitor import LampWatch
from stopline_envs.plans import BenchmarkTiming, PlanSet, benchmark_plan, read_plans
from stopline_envs.scenario import Scenario
from stopline_envs.sensing import Sensors
from stopline_envs.sensor_profiles import SensorProfile
from stopline_envs.simulation import SumoSimulation, libsumo_module
from stopline_envs.snapshot import Snapshot, Traffic
from stopline_envs.truth import Figure, sensors_for
from stopline_signals.errors import ScenarioError, SimulationError
from stopline_signals.plan import SignalPlan
from stopline_signals.view import JunctionView


class NetworkRun:
    """One scenario in SUMO with an engine, a guard and a conflict monitor at every controlled signal.

    `names`, `plans`, `views()` and the stages given to `advance` share one order. Signals left out of
    `signals` keep the network's own program.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        signals: Sequence[str] | None = None,
        trips: bool = False,
        extra_files: Sequence[Path] = (),
        options: Sequence[str] = (),
        figures: Collection[Figure] = (),
        timing: BenchmarkTiming | None = None,
        faults: SensorFaults | None = None,
        gui: bool = False,
    ) -> None:
        """Read the plans; SUMO starts in `reset`.

        `trips` makes `metrics()` available, `figures` are what rewards need to see of the true traffic beyond
        what every look has. With `timing` plans keep a benchmark's times, not the book's, and the monitor
        counts what that breaks.
        """
        self.scenario = scenario
        self.plan_set = plans_of(scenario)
        self._watches = _watches(_stamps(scenario))
        self.names = (
            tuple(self.plan_set.plans) if signals is None else _known(scenario, self.plan_set, signals)
        )
        self.violations = 0
        self._trips = trips
        self._extra = tuple(extra_files)
        self._options = tuple(options)
        self._figures = frozenset(figures)
        self._gui = gui
        self._timing = timing
        self._faults = scenario.faults if faults is None else faults
        self._junctions = [self._junction(name) for name in self.names]
        self._sensors: Sensors | None = None
        self._faulty: FaultySensors | None = None
        self._simulation: SumoSimulation | None = None
        self._seen: Snapshot | None = None

    @property
    def plans(self) -> tuple[SignalPlan, ...]:
        """The plans in force, intervals rounded up to the simulation step."""
        return tuple(junction.plan for junction in self._junctions)

    @property
    def now(self) -> int:
        """Simulation time, s."""
        return self.scenario.begin if self._simulation is None else self._simulation.now

    @property
    def done(self) -> bool:
        """Whether the scenario's end is reached."""
        return self.now >= self.scenario.end

    @property
    def junctions(self) -> tuple[SimJunction, ...]:
        """The running junctions, for tests and displays."""
        return tuple(self._junctions)

    @property
    def traffic(self) -> tuple[Traffic, ...]:
        """Ground truth at the last look, for rewards only."""
        return () if self._seen is None else tuple(self._seen.traffic)

    @property
    def seen(self) -> Snapshot:
        """The last look: readings of all junctions in columns, button calls latched."""
        if self._seen is None:
            raise SimulationError(
                f"scenario {self.scenario.name}: nothing is seen yet; call reset(seed) first"
            )
        return self._seen

    def replace_junction(self, index: int, junction: SimJunction) -> None:
        """Run another plan at a signal from the next reset on, as for a benchmark's own timing."""
        self._junctions[index] = junction

    def reset(self, seed: int) -> list[JunctionView]:
        """Start the scenario anew with a seed; whatever ran before in this object is closed."""
        self.close()
        simulation = SumoSimulation(
            self.scenario,
            seed,
            trips=self._trips,
            extra_files=self._extra,
            options=self._options,
            gui=self._gui,
        )
        simulation.start()
        self._simulation = simulation
        self._sensors = sensors_for(self.plan_set, self.names, libsumo_module(), self._figures)
        self._faulty = None
        if self._faults is not None:
            self._faulty = FaultySensors(self._sensors, self._faults, seed, simulation.now)
        self.violations = 0
        for junction in self._junctions:
            junction.start(simulation.now)
        self._look()
        return self.views()

    def views(self) -> list[JunctionView]:
        """What each junction's policy may know now."""
        return [junction.view() for junction in self._junctions]

    def program_stages(self) -> list[int]:
        """The stages the junctions' fixed programs ask for now; where there is none, the stage in force."""
        return [junction.program_stage() for junction in self._junctions]

    def advance(self, stages: Sequence[int], seconds: int, *, look_every: int = 0) -> list[Snapshot]:
        """Ask each junction for a stage and run on; stops at the scenario's end.

        Detectors are read at the end. Returns the look taken then, and before it one every `look_every`
        seconds if that is not 0.
        """
        simulation = self._running()
        begin = simulation.now
        end = min(begin + seconds, self.scenario.end)
        changes = self._run_junctions(stages, begin, end)
        seen: list[Snapshot] = []
        shown: list[tuple[int, int, str]] = []
        late = self._faulty if self._faulty is not None and self._faulty.late else None
        for now in range(begin, end):
            while changes and changes[-1][0] == now:
                shown.append(self._show(simulation, *changes.pop()))
            simulation.step()
            if late is not None:
                late.note(now + 1)
            if look_every and now + 1 < end and (now + 1 - begin) % look_every == 0:
                assert self._sensors is not None
                seen.append(self._sensors.look())
        if end > begin:
            seen.append(self._look())
        for now, index, letters in shown:
            self.violations += self._junctions[index].watch(now, letters)
        return seen

    def incidents(self) -> dict[str, int]:
        """Teleports, collisions and the like that SUMO counted; while it runs."""
        return self._running().incidents()

    def metrics(self) -> TripMetrics:
        """Trip figures of the run; ends it. Needs `trips=True`."""
        return self._running().metrics()

    def close(self) -> None:
        """Stop SUMO and free the process for another simulation."""
        if self._simulation is not None:
            self._simulation.close()

    def _junction(self, name: str) -> SimJunction:
        plan = self.plan_set.plans[name]
        if self._timing is not None:
            plan = benchmark_plan(plan, self._timing)
        if name not in self._watches:
            self._watches[name] = watch_of(self.plan_set, name)
        return SimJunction(plan, self.plan_set.programs[name], self._watches[name].twin())

    def _run_junctions(self, stages: Sequence[int], begin: int, end: int) -> list[tuple[int, int, str]]:
        """Ask for the stages; all changes of lamps up to `end` as (second, junction, letters), last first."""
        changes: list[tuple[int, int, str]] = []
        for index, (junction, stage) in enumerate(zip(self._junctions, stages, strict=True)):
            junction.ask(stage)
            for second, letters in junction.run(begin, end):
                changes.append((second, index, letters))
        changes.sort(reverse=True)
        return changes

    def _show(self, simulation: SumoSimulation, now: int, index: int, letters: str) -> tuple[int, int, str]:
        name = self.names[index]
        simulation.set_lamps(name, letters)
        # The monitor judges what SUMO shows, not what it was told to show.
        return now, index, simulation.lamps(name)

    def _look(self) -> Snapshot:
        simulation = self._running()
        assert self._sensors is not None
        seen = self._sensors.look() if self._faulty is None else self._faulty.look(simulation.now)
        self._seen = seen
        for number, junction in enumerate(self._junctions):
            junction.sense(simulation.now, seen, number)
        return seen

    def _running(self) -> SumoSimulation:
        if self._simulation is None:
            raise SimulationError(f"scenario {self.scenario.name}: nothing runs yet; call reset(seed) first")
        return self._simulation


class ProgramRun:
    """The network's own programs replayed as they are, with the monitor counting what they break."""

    def __init__(self, scenario: Scenario, *, extra_files: Sequence[Path] = ()) -> None:
        """Read the network; SUMO starts in `run`."""
        self.scenario = scenario
        self.plan_set = plans_of(scenario)
        self.violations = 0
        self._extra = tuple(extra_files)

    def run(self, seed: int) -> TripMetrics:
        """Run the whole scenario under the network's programs."""
        simulation = SumoSimulation(self.scenario, seed, trips=True, extra_files=self._extra)
        watches = {name: watch_of(self.plan_set, name) for name in self.plan_set.plans}
        simulation.start()
        self.violations = 0
        try:
            while simulation.now < self.scenario.end:
                simulation.step()
                for name, watch in watches.items():
                    self.violations += watch.observe(simulation.now, simulation.lamps(name))
            return simulation.metrics()
        finally:
            simulation.close()


def watch_of(plan_set: PlanSet, name: str) -> LampWatch:
    """A conflict monitor for one signal of a network."""
    return LampWatch(plan_set.network, plan_set.movements[name], plan_set.programs[name])


def plans_of(scenario: Scenario) -> PlanSet:
    """The plans of a scenario's network; read once per process while the files stay the same."""
    return _read(_stamps(scenario), scenario.sensors)


Stamps = tuple[tuple[str, int], ...]


def _stamps(scenario: Scenario) -> Stamps:
    files = (scenario.net, *scenario.additional)
    return tuple((str(path), path.stat().st_mtime_ns if path.is_file() else 0) for path in files)


@functools.lru_cache(maxsize=16)
def _watches(stamps: Stamps) -> dict[str, LampWatch]:
    """By signal the monitors that earlier runs on these files had; a run adds those it misses."""
    del stamps
    return {}


@functools.lru_cache(maxsize=16)
def _read(stamps: Stamps, sensors: SensorProfile) -> PlanSet:
    net, *additional = (path for path, _ in stamps)
    return read_plans(net, additional, sensors=sensors)


def _known(scenario: Scenario, plan_set: PlanSet, signals: Sequence[str]) -> tuple[str, ...]:
    unknown = [name for name in signals if name not in plan_set.plans]
    if unknown:
        known = ", ".join(plan_set.plans)
        raise ScenarioError(f"scenario {scenario.name}: no signal {unknown[0]!r} to control; it has: {known}")
    return tuple(signals)
