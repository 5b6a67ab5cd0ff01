"""Generated signals whose rights may go at any time, giving way."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from stopline_envs.generate import generate_network
from stopline_envs.generate.rights import free_rights
from stopline_envs.network import plans_of
from stopline_envs.scenario import Scenario
from tests.networks.random_stages import violations

SHAPES: tuple[dict[str, bool], ...] = (
    {},
    {"all_stages": True},
    {"shared_lefts": True, "fans": True},
    {"all_stages": True, "fans": True},
)
STAGE_S = 5.0


def make(
    folder: Path,
    *,
    rights: bool,
    seed: int = 5,
    crossings: bool = False,
    shape: dict[str, bool] | None = None,
) -> Scenario:
    return generate_network(
        seed,
        folder,
        signals=6,
        fullness=0.5,
        duration=300,
        crossings=crossings,
        rights=rights,
        **(shape or {}),  # type: ignore[arg-type]  # all of these are switches
    )


def programs(scenario: Scenario) -> list[list[tuple[float, str]]]:
    root = ET.parse(scenario.net).getroot()
    return [
        [(float(phase.attrib["duration"]), phase.attrib["state"]) for phase in logic.iter("phase")]
        for logic in root.iter("tlLogic")
    ]


def passing_stages(scenario: Scenario) -> int:
    """Stages in which a right turn goes giving way while traffic straight on from its street is held."""
    found = 0
    for plan in plans_of(scenario).plans.values():
        for stage in plan.stages:
            green = {*stage.protected, *stage.permissive}
            held = {group.approach for number, group in enumerate(plan.groups) if number not in green}
            rights = [
                number for number in stage.permissive if plan.groups[number].name.lower().endswith(".r")
            ]
            found += any(plan.groups[number].approach in held for number in rights)
    return found


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: " and ".join(shape) or "plain")
def test_rights_go_while_their_street_is_held_and_no_other_stage_is_made(
    tmp_path: Path, shape: dict[str, bool]
) -> None:
    without = make(tmp_path / "without", rights=False, shape=shape)
    freed = make(tmp_path / "with", rights=True, shape=shape)
    assert passing_stages(without) == 0
    assert passing_stages(freed) >= 6
    for plan in plans_of(freed).plans.values():
        assert all(stage.protected for stage in plan.stages), "no stage serves rights alone"


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: " and ".join(shape) or "plain")
def test_every_phase_is_legal_after_the_one_before(tmp_path: Path, shape: dict[str, bool], seed: int) -> None:
    scenario = make(tmp_path, rights=True, seed=seed, shape=shape)
    for program in programs(scenario):
        states = [state for _, state in program]
        assert not set("".join(states)) & set("sou")
        for before, after in zip(states, (*states[1:], states[0]), strict=True):
            ends = [a + b for a, b in zip(before, after, strict=True)]
            assert not {"Gr", "gr", "yG", "yg", "ry"} & set(ends), (before, after)
        for link in range(len(states[0])):
            shown = [state[link] for duration, state in program if duration >= STAGE_S and "y" not in state]
            assert set(shown) & set("Gg"), "nobody lost a green"


@pytest.mark.parametrize(("seed", "shape"), [(14, SHAPES[1]), (8, SHAPES[0]), (3, SHAPES[3])])
def test_nobody_goes_before_one_it_does_not_wait_for(
    tmp_path: Path, seed: int, shape: dict[str, bool]
) -> None:
    scenario = make(tmp_path, rights=True, seed=seed, shape=shape)
    assert [str(finding) for finding in plans_of(scenario).findings] == []
    assert violations(scenario) == 0


def test_where_people_walk_rights_stay_what_they_were(tmp_path: Path) -> None:
    nets = [make(tmp_path / str(n), rights=n > 0, crossings=True).net.read_bytes() for n in range(2)]
    assert nets[0] == nets[1]


def test_a_program_without_a_stage_is_left_alone(tmp_path: Path) -> None:
    net = make(tmp_path, rights=True).net
    tree = ET.parse(net)
    for phase in tree.getroot().iter("phase"):
        phase.set("state", "r" * len(phase.attrib["state"]))
    tree.write(net)
    assert free_rights(net) == 0
