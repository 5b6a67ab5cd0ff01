"""SUMO's NEMA programs become plans: their rings are the stages, their greens are where SUMO has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stopline_envs.export import program_xml, sumo_program
from stopline_envs.plans import PlanSet, read_plans
from stopline_signals import Aspect, Recall, SignalPlan
from stopline_signals.errors import NetworkError
from tests.envs.shown_by_sumo import green_starts, states_by_second

LEGAL_PAIRS = {"1+5", "1+6", "2+5", "2+6", "3+7", "3+8", "4+7", "4+8"}


@pytest.fixture(scope="module")
def nema(root: Path) -> Path:
    return root / "tests/envs/data/single_nema.add.xml"


@pytest.fixture(scope="module")
def net(root: Path) -> Path:
    return root / "sumo_networks/single/single.net.xml"


@pytest.fixture(scope="module")
def plans(net: Path, nema: Path) -> PlanSet:
    return read_plans(net, [nema], strict=True)


@pytest.fixture(scope="module")
def plan(plans: PlanSet) -> SignalPlan:
    return plans.plans["J"]


def changed(nema: Path, tmp_path: Path, old: str, new: str) -> Path:
    text = nema.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "changed.add.xml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_every_legal_pair_is_a_stage(plan: SignalPlan) -> None:
    assert {stage.name for stage in plan.stages} == LEGAL_PAIRS
    left = plan.group_index("W_J_bay.l")
    assert {stage.name for stage in plan.stages if stage.aspect(left) is Aspect.GREEN} == {"1+5", "1+6"}


def test_groups_have_the_times_of_their_phase(plan: SignalPlan) -> None:
    west = plan.groups[plan.group_index("E_J_bay.s")]
    assert (west.phase, west.min_green, west.max_green, west.passage, west.yellow) == (2, 100, 300, 20, 40)
    north = plan.groups[plan.group_index("N_J_bay.s")]
    assert (north.phase, north.min_green, north.max_green, north.passage) == (4, 70, 300, 30)
    assert north.yellow == 33  # 3 s in the file, 3.3 s by the formula
    assert plan.groups[plan.group_index("J_c0")].phase == 2


def test_clearances_are_at_least_the_file_s(plan: SignalPlan) -> None:
    west = plan.group_index("E_J_bay.s")
    assert min(value for value in plan.intergreen[west] if value >= 0) >= 50


def test_rings_are_kept(plan: SignalPlan) -> None:
    phases = tuple(
        tuple(tuple(plan.groups[group].phase for group in side) for side in ring) for ring in plan.rings
    )
    assert phases == (((1, 2), (3, 4)), ((5, 6), (7, 8)))


def test_greens_start_where_sumo_starts_them(net: Path, nema: Path, plans: PlanSet, tmp_path: Path) -> None:
    """All phases on max recall: SUMO's controller then runs its splits, and so does our fixed program."""
    plan = plans.plans["J"]
    sumo = green_starts(states_by_second(net, [nema], "J", 500, tmp_path))
    exported = tmp_path / "stopline.add.xml"
    program = sumo_program(plan, plans.programs["J"], walks=False)
    exported.write_text(program_xml([program]), encoding="utf-8")
    ours = green_starts(states_by_second(net, [exported], "J", 500, tmp_path))
    assert program.cycle == 100
    for link in range(14):
        theirs = [start for start in sumo[link] if start >= 200]
        assert theirs, link
        for start in theirs:
            # Ours may start a few seconds earlier where the geometry needs less than yellow and red.
            assert any(0 <= start - other <= 8 for other in ours[link]), (link, start, ours[link])


@pytest.mark.parametrize("controller", ["TS2", "Type 170"])
def test_the_offset_is_what_sumo_makes_of_it(net: Path, nema: Path, tmp_path: Path, controller: str) -> None:
    param = f'<param key="controllerType" value="{controller}"/>\n<param key="fixForceOff"'
    path = changed(nema, tmp_path, '<param key="fixForceOff"', param)
    program = read_plans(net, [path]).plans["J"].program
    assert program is not None
    first_phase = green_starts(states_by_second(net, [path], "J", 400, tmp_path))[13]
    assert {start % 100 for start in first_phase if start >= 200} == {program.offset // 10 % 100}


def test_a_free_signal_has_no_offset(net: Path, nema: Path, tmp_path: Path) -> None:
    path = changed(
        nema, tmp_path, 'key="coordinate-mode" value="true"', 'key="coordinate-mode" value="false"'
    )
    program = read_plans(net, [path]).plans["J"].program
    assert program is not None
    assert program.offset == 0


def test_recalls(net: Path, nema: Path, tmp_path: Path) -> None:
    path = changed(nema, tmp_path, 'key="maxRecall" value="1,2,3,4,5,6,7,8"', 'key="maxRecall" value="4"')
    recalls = {
        group.phase: group.recall for group in read_plans(net, [path]).plans["J"].groups if group.yellow
    }
    assert {phase: recall for phase, recall in recalls.items() if recall is not Recall.NONE} == {
        2: Recall.MIN,
        4: Recall.MAX,
        6: Recall.MIN,
    }


def test_a_side_with_one_ring_only(net: Path, nema: Path, tmp_path: Path) -> None:
    """Split phasing: the other ring repeats the phases of a side it has none on, or has 0 there."""
    path = changed(nema, tmp_path, 'key="ring2" value="5,6,7,8"', 'key="ring2" value="5,6,3,4"')
    text = path.read_text(encoding="utf-8").replace('value="4,8"', 'value="4,4"')
    path.write_text(text, encoding="utf-8")
    plan = read_plans(net, [path]).plans["J"]
    assert {stage.name for stage in plan.stages} >= {"1+5", "2+6", "3", "4"}


def test_rings_that_start_inside_a_side(net: Path, nema: Path, tmp_path: Path) -> None:
    path = changed(nema, tmp_path, 'key="ring1" value="1,2,3,4"', 'key="ring1" value="3,4,1,2"')
    text = path.read_text(encoding="utf-8").replace('value="5,6,7,8"/>', 'value="7,8,5,6"/>', 1)
    path.write_text(text, encoding="utf-8")
    assert {stage.name for stage in read_plans(net, [path]).plans["J"].stages} == {
        "3+7", "3+8", "4+7", "4+8", "1+5", "1+6", "2+5", "2+6",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('key="ring1" value="1,2,3,4"', 'key="ring1" value="1,2,3,9"', "a ring names phase 9"),
        ('key="ring1" value="1,2,3,4"', 'key="ring1" value="1,two"', "no list of phase numbers"),
        ('key="ring1" value="1,2,3,4"', 'key="ring1" value="1,2"', "do not cross the same barriers"),
        ('name="3"', 'name="left"', "needs its number as name"),
    ],
)
def test_a_mistake_is_named(net: Path, nema: Path, tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        read_plans(net, [changed(nema, tmp_path, old, new)])
