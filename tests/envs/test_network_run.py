"""Whole networks under random but allowed stages: lamps stay legal, seeds repeat, bad requests do nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from stopline_envs.junction import SimJunction
from stopline_envs.network import NetworkRun, ProgramRun, watch_of
from stopline_envs.plans import BenchmarkTiming
from stopline_mmu import Rule
from stopline_signals.errors import ScenarioError, SimulationError
from stopline_signals.plan import DetectorKind
from tests.envs.maps import bits, drive, scenario_or_skip

Register = Callable[[NetworkRun], NetworkRun]


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("single", 900),
        ("highstreet", 900),
        ("arterial", 600),
        ("cologne1", 900),
        ("cologne3", 900),
        ("cologne8", 900),
        ("ingolstadt1", 900),
        ("ingolstadt7", 900),
        ("ingolstadt21", 400),
        ("grid4x4", 400),
        ("arterial4x4", 400),
        ("fkk_in", 900),
        ("rilsa1", 600),
        ("rilsa4", 600),
    ],
)
def test_random_allowed_stages_never_trip_the_monitor(name: str, seconds: int, running: Register) -> None:
    run = running(NetworkRun(scenario_or_skip(name, seconds)))
    drive(run, 1)
    assert run.now == run.scenario.end
    assert run.violations == 0, [str(v) for j in run.junctions for v in j.monitor.violations[:3]]
    assert all(junction.monitor.total == 0 for junction in run.junctions)


def test_the_monitor_does_notice_a_short_yellow(running: Register) -> None:
    """The same run with a yellow of 1 s: the referee must see it, or zero violations mean nothing."""
    run = running(NetworkRun(scenario_or_skip("single", 300)))
    (name,) = run.names
    plan = run.plan_set.plans[name]
    groups = tuple(replace(group, yellow=min(group.yellow, 10)) for group in plan.groups)
    watch = watch_of(run.plan_set, name)
    run.replace_junction(0, SimJunction(replace(plan, groups=groups), run.plan_set.programs[name], watch))
    drive(run, 1)
    assert watch.monitor.counts[Rule.SHORT_YELLOW] > 0
    assert run.violations == watch.monitor.total


def test_the_monitor_does_notice_a_missing_clearance(running: Register) -> None:
    run = running(NetworkRun(scenario_or_skip("single", 300)))
    (name,) = run.names
    plan = run.plan_set.plans[name]
    matrix = tuple(
        tuple(value if value < 0 else plan.groups[i].change for value in row)
        for i, row in enumerate(plan.intergreen)
    )
    watch = watch_of(run.plan_set, name)
    run.replace_junction(0, SimJunction(replace(plan, intergreen=matrix), run.plan_set.programs[name], watch))
    drive(run, 1)
    assert watch.monitor.counts[Rule.CLEARANCE] > 0


def test_the_nets_own_program_runs_as_it_is_and_its_missing_clearance_is_counted() -> None:
    run = ProgramRun(scenario_or_skip("cologne8", 600))
    metrics = run.run(1)
    assert metrics.vehicles > 100
    assert run.violations > 0


@pytest.mark.parametrize("name", ["arterial", "cologne3"])
def test_the_same_seed_gives_the_same_run_and_another_seed_another(name: str, running: Register) -> None:
    scenario = scenario_or_skip(name, 200)
    run = running(NetworkRun(scenario))
    first, again, other = (drive(run, seed) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_stages_that_may_not_be_chosen_change_nothing_unsafe(running: Register) -> None:
    run = running(NetworkRun(scenario_or_skip("arterial", 300)))
    views = run.reset(1)
    while not run.done:
        worst = [next((s for s in (-1, 99, *range(16)) if not v.allowed >> max(s, 0) & 1), 99) for v in views]
        run.advance(worst, 1)
        views = run.views()
    assert run.violations == 0


def test_a_policy_cannot_turn_a_junction_all_red(running: Register) -> None:
    run = running(NetworkRun(scenario_or_skip("arterial", 60)))
    views = run.reset(1)
    while not run.done:
        run.advance([len(plan.stages) for plan in run.plans], 5)
        views = run.views()
        assert all(view.state.stage < len(view.plan.stages) and view.allowed for view in views)


def test_some_signals_can_be_left_to_the_nets_own_program(running: Register) -> None:
    scenario = scenario_or_skip("cologne3", 120)
    everyone = NetworkRun(scenario).names
    run = running(NetworkRun(scenario, signals=everyone[1:2]))
    drive(run, 1)
    assert run.names == everyone[1:2]
    assert len(run.views()) == 1


def test_an_unknown_signal_is_refused() -> None:
    with pytest.raises(ScenarioError, match="no signal 'elsewhere' to control"):
        NetworkRun(scenario_or_skip("single"), signals=["elsewhere"])


def test_advance_before_reset_says_so() -> None:
    with pytest.raises(SimulationError, match="call reset"):
        NetworkRun(scenario_or_skip("single")).advance([0], 5)


def test_a_run_stops_at_the_scenarios_end(running: Register) -> None:
    run = running(NetworkRun(scenario_or_skip("single", 33)))
    run.reset(1)
    run.advance([0], 30)
    assert not run.done
    run.advance([0], 30)
    assert run.done
    assert run.now == run.scenario.begin + 33


def test_a_button_call_is_kept_until_walk(running: Register) -> None:
    run = running(NetworkRun(scenario_or_skip("single", 600)))
    views = run.reset(2)
    called: dict[int, int] = {}
    walks = 0
    while not run.done:
        view = views[0]
        for position, detector in enumerate(view.plan.detectors):
            if detector.kind is DetectorKind.BUTTON:
                now_called = view.readings[position].vehicles
                if called.get(position) and not now_called:
                    assert view.state.aspects[detector.group] >= 2 or view.state.ended[detector.group] > 0
                    walks += 1
                called[position] = now_called
        run.advance([bits(view.allowed)[run.now % len(bits(view.allowed))]], 1)
        views = run.views()
    assert walks > 3
    assert run.violations == 0


def test_waking_the_engine_when_a_lamp_is_due_equals_waking_it_every_second(running: Register) -> None:
    scenario = scenario_or_skip("cologne3", 72)  # too short for the guard to see anybody starve
    shown: list[list[tuple[int, ...]]] = []
    for step in (6, 1):
        run = running(NetworkRun(scenario))
        run.reset(3)
        lamps: list[tuple[int, ...]] = []
        while not run.done:
            turn = (run.now - scenario.begin) // 6
            deciding = (run.now - scenario.begin) % 6 == 0
            wanted = [(turn + i) % len(plan.stages) for i, plan in enumerate(run.plans)]
            run.advance(wanted if deciding else [junction.state.stage for junction in run.junctions], step)
            if (run.now - scenario.begin) % 6 == 0:
                lamps.append(tuple(aspect for junction in run.junctions for aspect in junction.state.aspects))
        run.close()
        shown.append(lamps)
    assert shown[0] == shown[1]
    assert len(set(shown[0])) > 5


def test_benchmark_timing_is_flagged_and_the_monitor_counts_what_it_breaks(running: Register) -> None:
    run = running(NetworkRun(scenario_or_skip("cologne8", 300), timing=BenchmarkTiming()))
    assert all(plan.benchmark_only for plan in run.plans)
    assert {group.yellow for plan in run.plans for group in plan.groups} == {30}
    drive(run, 1)
    rules = {rule for junction in run.junctions for rule in junction.monitor.counts}
    assert run.violations > 0
    assert rules <= {Rule.CLEARANCE, Rule.SHORT_YELLOW}


def test_the_fixed_program_starts_its_greens_when_the_network_does(running: Register) -> None:
    """Clearances grow into the green before them: green starts stay where the net's program has them."""
    run = running(NetworkRun(scenario_or_skip("cologne1", 400)))
    run.reset(1)
    (junction,) = run.junctions
    program = junction.plan.program
    assert program is not None
    starts: dict[int, set[int]] = {}
    before = junction.state.aspects
    while not run.done:
        run.advance(run.program_stages(), 1)
        for group, aspect in enumerate(junction.state.aspects):
            if (
                aspect == 3 and before[group] != 3 and run.now > run.scenario.begin + 60
            ):  # past the start-up red
                starts.setdefault(group, set()).add(junction.state.since[group] % program.cycle)
        before = junction.state.aspects
    wanted = {step.green_at for step in program.steps if step in program.steps[::2]}
    through = {group for step in program.steps[::2] for group in junction.plan.stages[step.stage].protected}
    assert len(through) >= 4
    late = [(at - due + 450) % 900 - 450 for group in through for at in starts[group] for due in wanted]
    close = [gap for gap in late if abs(gap) < 200]
    assert len(close) == sum(len(starts[group]) for group in through)
    assert all(-10 <= gap <= 10 for gap in close)
