"""Priority asks for stages and cuts nothing: no walk, pedestrian clearance, minimum green, yellow or red."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from stopline_signals import KEEP, SignalPlan
from stopline_signals.detectors import DetectorReading
from stopline_signals.plan import Aspect, GroupKind
from stopline_signals.priority import PrioritySettings, TransitSettings, Urgency, VehicleClass
from tests.signals.irregular import Junction, junctions
from tests.signals.irregular_plan import plan_of
from tests.signals.plans_for_tests import eight_phases, four_groups
from tests.signals.priority_course import Course

SETTINGS = PrioritySettings(
    max_presence=40.0, recovery=True, transit=TransitSettings(late=0.0, kept=0.0, cooldown=10.0)
)


class Move(NamedTuple):
    """What happens, and for how many tenths things go on as they are then."""

    policy: int
    calls: int
    queued: int
    reports: list[tuple[int, int, VehicleClass, float, float]]
    """Vehicle, group, class, seconds to its arrival, speed; with a group that is not there it has passed."""
    tenths: int


MOVES = st.lists(
    st.builds(
        Move,
        st.integers(KEEP, 15),
        st.integers(0, 2**16 - 1),
        st.integers(0, 8),
        st.lists(
            st.tuples(
                st.integers(0, 3),
                st.integers(0, 15),
                st.sampled_from(VehicleClass),
                st.floats(0.0, 60.0),
                st.sampled_from([0.0, 12.0]),
            ),
            max_size=3,
        ),
        st.integers(1, 250),
    ),
    min_size=1,
    max_size=12,
)


class Walkers:
    """Counts walks and pedestrian clearances that ended early; judges lamps by the plan's times alone."""

    def __init__(self, plan: SignalPlan) -> None:
        self.plan = plan
        self.cut: list[str] = []
        self._shown = [0] * len(plan.groups)
        self._lasted = [0] * len(plan.groups)

    def see(self, aspects: tuple[int, ...]) -> None:
        for index, (group, before, now) in enumerate(
            zip(self.plan.groups, self._shown, aspects, strict=True)
        ):
            if before == now:
                self._lasted[index] += 1
                continue
            owed = {Aspect.GREEN: group.walk, Aspect.YELLOW: group.clearance}.get(Aspect(before), 0)
            if group.kind is GroupKind.PEDESTRIAN and self._lasted[index] < owed:
                self.cut.append(
                    f"{group.name} showed {Aspect(before).name} for {self._lasted[index]} of {owed}"
                )
            self._shown[index], self._lasted[index] = now, 1


def play(plan: SignalPlan, moves: list[Move]) -> tuple[Course, Walkers]:
    course, walkers = Course(plan, SETTINGS), Walkers(plan)
    vehicles = course.vehicles()
    for move in moves:
        course.policy = move.policy if move.policy < len(plan.stages) else KEEP
        course.calls = move.calls & ((1 << len(plan.groups)) - 1)
        course.readings = [DetectorReading(move.queued, move.queued)] * len(plan.detectors)
        for number, group, kind, eta, speed in move.reports:
            # A vehicle has one class for good, or its reports are refused.
            name = f"{kind} {number}"
            if group < len(vehicles):
                course.report(name, vehicles[group], eta, kind, speed_mps=speed)
            else:
                course.gone(name, kind)
        for _ in range(move.tenths):
            course.tick()
            walkers.see(course.state.aspects)
            emergencies = [w for w in course.wishes if w.urgency is Urgency.EMERGENCY]
            if emergencies:
                assert course.wishes == emergencies, "nothing milder is asked for beside an emergency"
    return course, walkers


@settings(max_examples=40, deadline=None)
@given(junction=junctions(), moves=MOVES)
def test_no_vehicle_cuts_anything_at_an_irregular_junction(junction: Junction, moves: list[Move]) -> None:
    course, walkers = play(plan_of(junction), moves)
    assert course.checker.problems == []
    assert walkers.cut == []


@settings(max_examples=25, deadline=None)
@given(moves=MOVES)
def test_no_vehicle_cuts_anything_at_eight_phases(moves: list[Move]) -> None:
    course, walkers = play(eight_phases(), moves)
    assert course.checker.problems == []
    assert walkers.cut == []


def test_a_walk_that_has_begun_ends_by_itself_and_only_then_the_ambulance_has_its_green() -> None:
    """Without this the properties above could hold because nobody ever walks."""
    plan = four_groups()
    walk, east = plan.group_index("walk"), plan.stage_index("east")
    course, walkers = Course(plan), Walkers(plan)
    course.calls = 1 << walk
    course.run(1)
    walkers.see(course.state.aspects)
    assert course.state.aspects[walk] == Aspect.GREEN
    course.calls = 0
    lasted = 1
    course.report("amb", "east", 1.0)
    while course.state.stage != east or course.state.in_transition:
        course.report("amb", "east", 1.0)
        course.tick()
        walkers.see(course.state.aspects)
        lasted += course.state.aspects[walk] != Aspect.RED
    assert lasted == plan.groups[walk].walk + plan.groups[walk].clearance
    assert walkers.cut == [] and course.checker.problems == []


def test_a_walk_cut_short_is_noticed() -> None:
    plan = four_groups()
    walk = plan.group_index("walk")
    walkers = Walkers(plan)
    for shown in [Aspect.GREEN] * 69 + [Aspect.YELLOW] * 119 + [Aspect.RED]:
        walkers.see(tuple(int(shown) if g == walk else 0 for g in range(len(plan.groups))))
    assert len(walkers.cut) == 2
