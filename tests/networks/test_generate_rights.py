"""Generated signals whose rights may go at any time, giving way."""

from __future__ import annotations

from pathlib import Path

import pytest

from stopline_envs.generate import generate_network
from stopline_envs.network import plans_of
from stopline_envs.scenario import Scenario
from tests.networks.random_stages import violations


def make(
    folder: Path, *, rights: bool, kind: str = "grid", crossings: bool = False, all_stages: bool = False
) -> Scenario:
    return generate_network(
        5,
        folder,
        kind=kind,
        signals=4,
        fullness=0.5,
        duration=300,
        crossings=crossings,
        rights=rights,
        all_stages=all_stages,
    )


def stages_in_passing(scenario: Scenario) -> int:
    """Stages in which a right turn goes giving way while its own street is held."""
    found = 0
    for plan in plans_of(scenario).plans.values():
        for stage in plan.stages:
            found += any(plan.groups[group].name.lower().endswith(".r") for group in stage.permissive)
    return found


def test_rights_go_while_their_street_is_held_where_that_is_asked_for(tmp_path: Path) -> None:
    assert stages_in_passing(make(tmp_path / "without", rights=False)) == 0
    assert stages_in_passing(make(tmp_path / "with", rights=True)) >= 6


@pytest.mark.parametrize("kind", ["grid", "town", "spider", "arterial"])
@pytest.mark.parametrize("all_stages", [False, True])
def test_no_phase_lets_a_right_go_before_one_it_does_not_wait_for(
    tmp_path: Path, kind: str, all_stages: bool
) -> None:
    scenario = make(tmp_path, rights=True, kind=kind, all_stages=all_stages)
    assert [str(finding) for finding in plans_of(scenario).findings] == []
    assert violations(scenario) == 0


def test_where_people_walk_rights_stay_what_they_were(tmp_path: Path) -> None:
    nets = [make(tmp_path / str(n), rights=n > 0, crossings=True).net.read_bytes() for n in range(2)]
    assert nets[0] == nets[1]
