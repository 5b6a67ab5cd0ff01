"""SUMO's actuated programs: their least and longest greens and their gap are the plan's."""

from __future__ import annotations

from pathlib import Path

import pytest

from stopline_envs.plans import read_plans
from stopline_signals import SignalPlan
from stopline_signals.errors import NetworkError

PROGRAM = """<additional>
    <tlLogic id="J" type="{kind}" programID="a" offset="0">
        <param key="max-gap" value="2.5"/>
        <phase duration="30" minDur="9" maxDur="80" state="rrrgGGrrrrgGGrGrGr"/>
        <phase duration="4" state="rrryyyrrrryyyrrrrr"/>
        <phase duration="15" minDur="3" maxDur="30" state="rrrrrrGrrrrrrGrrrr"/>
        <phase duration="4" state="rrrrrryrrrrrryrrrr"/>
        <phase duration="20" minDur="6" maxDur="40" state="gGrrrrrgGrrrrrrGrG"/>
        <phase duration="10" minDur="5" maxDur="20" state="gGrrrrrgGrrrrrrrrr"/>
        <phase duration="4" state="yyrrrrryyrrrrrrrrr"/>
        <phase duration="15" minDur="5" maxDur="30" state="rrGrrrrrrGrrrrrrrr"/>
        <phase duration="4" state="rryrrrrrryrrrrrrrr"/>
    </tlLogic>
</additional>
"""


def plan_of(kind: str, root: Path, tmp_path: Path) -> SignalPlan:
    path = tmp_path / f"{kind}.add.xml"
    path.write_text(PROGRAM.format(kind=kind), encoding="utf-8")
    return read_plans(root / "sumo_networks/single/single.net.xml", [path]).plans["J"]


def test_greens_and_gap_of_an_actuated_program(root: Path, tmp_path: Path) -> None:
    plan = plan_of("actuated", root, tmp_path)
    times = {group.name: (group.min_green, group.max_green, group.passage) for group in plan.groups}
    assert times["E_J_bay.s"] == (90, 800, 25)
    assert times["E_J_bay.l"][0] == 50  # 3 s in the file; no minimum is under the reader's own
    assert times["N_J_bay.s"][0] == 110  # two phases in a row


def test_a_gap_that_is_no_number_is_named(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.add.xml"
    path.write_text(PROGRAM.format(kind="actuated").replace('"2.5"', '"short"'), encoding="utf-8")
    with pytest.raises(NetworkError, match="max-gap='short' is not a number"):
        read_plans(root / "sumo_networks/single/single.net.xml", [path])


def test_a_static_program_keeps_the_reader_s_minima(root: Path, tmp_path: Path) -> None:
    assert {group.min_green for group in plan_of("static", root, tmp_path).groups} == {50}
