"""Bad networks are refused with an error that names the place and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from stopline_envs.plans import FindingKind, read_plans
from stopline_signals.errors import NetworkError
from tests.envs.maps import scenario_or_skip


@pytest.fixture
def net() -> str:
    return scenario_or_skip("single").net.read_text()


def written(tmp_path: Path, text: str, name: str = "bad.net.xml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def first_phase(net: str) -> str:
    begin = net.index('state="', net.index("<tlLogic")) + len('state="')
    return net[begin : net.index('"', begin)]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"nowhere\.net\.xml: no such file"):
        read_plans(tmp_path / "nowhere.net.xml")


def test_a_missing_additional_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"extra\.add\.xml: no such file"):
        read_plans(scenario_or_skip("single").net, [tmp_path / "extra.add.xml"])


def test_a_truncated_net_is_named_with_its_line(tmp_path: Path, net: str) -> None:
    lines = net.splitlines()
    path = written(tmp_path, "\n".join(lines[: len(lines) // 2]))
    with pytest.raises(NetworkError, match=rf"bad\.net\.xml:{len(lines) // 2}: not well-formed"):
        read_plans(path)


def test_a_truncated_gzip_is_refused(tmp_path: Path) -> None:
    whole = scenario_or_skip("fkk_in").net.read_bytes()
    path = tmp_path / "half.net.xml.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NetworkError, match=r"half\.net\.xml\.gz"):
        read_plans(path)


def test_another_kind_of_xml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"root element is <routes>, not <net>"):
        read_plans(written(tmp_path, "<routes/>"))


def test_a_net_without_signals_is_refused(game: Path) -> None:
    with pytest.raises(NetworkError, match="no road signal with a program"):
        read_plans(game / "racing" / "spreewaldring.net.xml")


def test_an_unreadable_state_names_signal_and_phase(tmp_path: Path, net: str) -> None:
    state = first_phase(net)
    path = written(tmp_path, net.replace(f'"{state}"', f'"{state[:-1]}x"', 1))
    with pytest.raises(
        NetworkError, match=r"signal '\w+', program '\w+', phase 0: state '.*x' cannot be read"
    ):
        read_plans(path)


def test_a_state_too_short_for_the_links_names_the_phase(tmp_path: Path, net: str) -> None:
    logic = net[net.index("<tlLogic") : net.index("</tlLogic>")]
    shorter = logic
    for part in logic.split('state="')[1:]:
        state = part[: part.index('"')]
        shorter = shorter.replace(f'"{state}"', f'"{state[:-1]}"')
    with pytest.raises(NetworkError, match=r"phase 0: state .* links up to index"):
        read_plans(written(tmp_path, net.replace(logic, shorter)))


def test_phases_of_different_lengths_are_refused(tmp_path: Path, net: str) -> None:
    state = first_phase(net)
    with pytest.raises(NetworkError, match="its phases have states of"):
        read_plans(written(tmp_path, net.replace(f'"{state}"', f'"{state}r"', 1)))


def test_a_number_that_is_none_is_named(tmp_path: Path, net: str) -> None:
    with pytest.raises(NetworkError, match=r"phase \d+: duration='soon' is not a number"):
        begin = net.index('duration="', net.index("<tlLogic"))
        end = net.index('"', begin + len('duration="'))
        read_plans(written(tmp_path, f'{net[:begin]}duration="soon{net[end:]}'))


def test_right_of_way_rows_that_do_not_fit_are_refused(tmp_path: Path, net: str) -> None:
    begin = net.index("<request")
    end = net.index("/>", begin) + 2
    with pytest.raises(NetworkError, match=r"junction '\w+' has \d+ links but \d+"):
        read_plans(written(tmp_path, net[:begin] + net[end:]))


def test_a_group_that_is_never_green_is_left_out_with_a_finding(tmp_path: Path) -> None:
    scenario = scenario_or_skip("fkk_in")
    plan_set = read_plans(scenario.net, scenario.additional)
    (finding,) = [f for f in plan_set.findings if f.kind is FindingKind.NEVER_GREEN]
    assert finding.signal == "335525545"
    assert all(group.name != "335525545_c0" for group in plan_set.plans["335525545"].groups)


def test_a_program_that_is_red_throughout_is_refused(tmp_path: Path, net: str) -> None:
    logic = net[net.index("<tlLogic") : net.index("</tlLogic>")]
    red = logic
    for part in logic.split('state="')[1:]:
        state = part[: part.index('"')]
        red = red.replace(f'"{state}"', f'"{"r" * len(state)}"')
    with pytest.raises(NetworkError, match="no road signal with a program"):
        read_plans(written(tmp_path, net.replace(logic, red)))
