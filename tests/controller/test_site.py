"""A site file's mistakes are all reported at once, each with its line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stopline_controller.site import InvalidSite, read_site
from stopline_hil.example import crossroads
from stopline_signals.errors import SiteError
from stopline_signals.toml_lines import LineMap
from tests.controller.sites import write_plan, write_site


def _problems(path: Path) -> dict[str, tuple[int, str]]:
    with pytest.raises(InvalidSite) as refused:
        read_site(path)
    for problem in refused.value.problems:
        assert f"line {problem.line}: {problem.entry}: {problem.message}" in str(refused.value)
    return {problem.entry: (problem.line, problem.message) for problem in refused.value.problems}


def _line_of(path: Path, text: str) -> int:
    return next(
        number for number, line in enumerate(path.read_text().splitlines(), 1) if line.startswith(text)
    )


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_good_site_is_read_with_its_plans_and_bundle(tmp_path: Path) -> None:
    site = read_site(write_site(tmp_path, {"A": 'driver = "memory"', "B": 'driver = "memory"'}))
    assert [junction.plan.junction for junction in site.junctions] == ["A", "B"]
    assert site.bundle is not None and site.bundle.manifest.name == "tiny"


def test_two_mistakes_are_both_reported_with_their_lines(tmp_path: Path) -> None:
    path = write_site(tmp_path, controller="clock_rate = 0.5")
    _edit(path, 'plan = "A.toml"', 'plan = "missing.toml"')
    problems = _problems(path)
    assert problems["controller.clock_rate"] == (
        _line_of(path, "clock_rate"),
        "Input should be greater than or equal to 1 (found 0.5)",
    )
    line, message = problems["junction[0].plan"]
    assert line == _line_of(path, "plan") and "missing.toml" in message
    assert len(problems) == 2


def test_an_unknown_key_is_named_with_what_was_probably_meant(tmp_path: Path) -> None:
    path = write_site(tmp_path, controller="clokc_rate = 2.0")
    line, message = _problems(path)["controller.clokc_rate"]
    assert line == _line_of(path, "clokc_rate")
    assert "did you mean 'clock_rate'" in message


def test_an_unknown_key_of_a_driver_is_refused_at_its_line(tmp_path: Path) -> None:
    path = write_site(tmp_path, {"A": 'driver = "modbus"\naddress = "127.0.0.1:1502"\nbaud = 9600'})
    line, message = _problems(path)["junction[0].cabinet.baud"]
    assert line == _line_of(path, "baud") and "unknown key" in message


def test_a_missing_entry_points_to_its_table(tmp_path: Path) -> None:
    path = write_site(tmp_path, {"A": 'driver = "memory"', "B": 'driver = "modbus"'})
    line, message = _problems(path)["junction[1].cabinet.address"]
    assert message == "is missing"
    assert path.read_text().splitlines()[line - 1] == "[junction.cabinet]"
    assert line > _line_of(path, "[[junction]]") + 4, "the second junction's table"


def test_an_unknown_driver_lists_the_known_ones(tmp_path: Path) -> None:
    path = write_site(tmp_path, {"A": 'driver = "telegraph"'})
    assert "memory, modbus" in _problems(path)["junction[0].cabinet.driver"][1]


def test_text_that_is_no_toml_has_its_line(tmp_path: Path) -> None:
    path = write_site(tmp_path)
    path.write_text(path.read_text() + "oops\n")
    line, message = _problems(path)["file"]
    assert line == len(path.read_text().splitlines()) and "not TOML" in message


def test_a_missing_file_is_a_site_error(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="cannot be read"):
        read_site(tmp_path / "nowhere.toml")


def test_a_fast_clock_needs_every_address_on_loopback(tmp_path: Path) -> None:
    path = write_site(
        tmp_path, {"A": 'driver = "modbus"\naddress = "192.0.2.7:502"'}, controller="clock_rate = 5.0"
    )
    line, message = _problems(path)["junction[0].cabinet.address"]
    assert line == _line_of(path, "address") and "loopback" in message


def test_plaintext_is_for_loopback_only(tmp_path: Path) -> None:
    path = write_site(tmp_path)
    _edit(path, "127.0.0.1:0", "0.0.0.0:50061")
    assert "plaintext" in _problems(path)["controller.insecure"][1]


def test_without_tls_and_without_insecure_nothing_is_served(tmp_path: Path) -> None:
    path = write_site(tmp_path)
    _edit(path, "insecure = true", "insecure = false")
    assert "controller.tls" in _problems(path)["controller.listen"][1]


def test_a_benchmark_plan_is_refused(tmp_path: Path) -> None:
    plan = replace(crossroads(), junction="A", benchmark_only=True)
    path = write_site(tmp_path, plans={"A": plan})
    assert "benchmarks only" in _problems(path)["junction[0].plan"][1]


def test_a_plan_of_another_junction_and_one_junction_twice_are_refused(tmp_path: Path) -> None:
    path = write_site(tmp_path, {"A": 'driver = "memory"', "B": 'driver = "memory"'})
    _edit(path, 'id = "B"', 'id = "A"')
    with pytest.raises(InvalidSite) as refused:
        read_site(path)
    text = str(refused.value)
    assert "is the plan of junction 'B', not of 'A'" in text
    assert "is in this file already" in text


def test_a_bundle_for_other_detectors_is_refused_at_the_junction(tmp_path: Path) -> None:
    plan = crossroads()
    moved = tuple(replace(d, end_m=d.end_m + 30) if d.start_m == 0 else d for d in plan.detectors)
    path = write_site(tmp_path, plans={"A": replace(plan, junction="A", detectors=moved)})
    line, message = _problems(path)["junction[0].plan"]
    assert line == _line_of(path, "plan") and "near_zone" in message


def test_a_damaged_bundle_is_refused_at_its_line(tmp_path: Path) -> None:
    path = write_site(tmp_path)
    model = tmp_path / "tiny.bundle" / "policy.onnx"
    damaged = bytearray(model.read_bytes())
    damaged[100] ^= 1
    model.write_bytes(damaged)
    line, message = _problems(path)["policy.bundle"]
    assert line == _line_of(path, "bundle") and "hash" in message


def test_a_stack_must_name_every_source_and_begin_with_the_cabinet(tmp_path: Path) -> None:
    path = write_site(tmp_path, extra='[control]\nstack = ["policy", "local"]')
    line, message = _problems(path)["control.stack"]
    assert line == _line_of(path, "stack") and "missing cabinet" in message
    order = '["centre", "cabinet", "rail", "emergency", "transit", "policy", "local"]'
    path = write_site(tmp_path, extra=f"[control]\nstack = {order}")
    assert "must begin with 'cabinet'" in _problems(path)["control.stack"][1]


def test_a_site_needs_a_junction(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text('[controller]\ninsecure = true\n[policy]\nbundle = "none"\n')
    assert _problems(path)["junction"] == (1, "is missing")


def test_a_plan_file_with_a_mistake_names_file_and_entry(tmp_path: Path) -> None:
    path = write_site(tmp_path)
    plan = tmp_path / "A.toml"
    write_plan(plan, replace(crossroads(), junction="A"))
    _edit(plan, "min_green = 60", 'min_green = "soon"')
    assert "A.toml" in _problems(path)["junction[0].plan"][1]


def test_lines_are_found_through_arrays_strings_and_dotted_keys() -> None:
    text = '''# a comment = 1
top = 1
[a.b]
x = [
  1, # not = a key
  "y = 2",
]
long = """
[fake]
x = 9
"""
"quoted key".z = 3
[[list]]
v = 1
[list.inner]
w = { deep = 1 }
[[list]]
v = 2
'''
    lines = LineMap(text)
    assert lines.line(("top",)) == 2
    assert lines.line(("a", "b")) == 3
    assert lines.line(("a", "b", "x", 1)) == 4
    assert lines.line(("a", "b", "long")) == 8
    assert lines.line(("a", "b", "quoted key", "z")) == 12
    assert lines.line(("list", 0, "v")) == 14
    assert lines.line(("list", 0, "inner", "w", "deep")) == 16
    assert lines.line(("list", 1, "v")) == 18
    assert lines.line(("list", 1, "absent")) == 17


def test_mistakes_of_every_layer_are_reported_at_once(tmp_path: Path) -> None:
    """Unknown keys, values, addresses, the bundle, the map, plans and cabinets, each in its own layer."""
    path = write_site(
        tmp_path,
        {"A": 'driver = "memory"\nbaud = 1', "B": 'driver = "memory"'},
        controller="nmae = 1",
        policy='bundle = "nowhere.bundle"\nmin_covrage = 0.5',
        extra='[priority]\nmap = "nowhere.toml"\n[logs]\nkeep_records = 1\n[v2x]\n'
        'address = "192.0.2.1:4735"\npeers = ["x"]\n'
        '[[v2x.inbound]]\nintersection = 1\nlane = 1\njunction = "Z"\ngroup = "side"',
    )
    _edit(path, "127.0.0.1:0", "0.0.0.0:50061")
    _edit(path, 'plan = "B.toml"', 'plan = "missing.toml"')
    assert _problems(path).keys() == {
        "controller.nmae",
        "controller.insecure",
        "policy.min_covrage",
        "policy.bundle",
        "priority.map",
        "logs.keep_records",
        "v2x.address",
        "v2x.inbound[0].junction",
        "junction[0].cabinet.baud",
        "junction[1].plan",
    }


def test_a_table_that_cannot_be_told_makes_no_mistakes_elsewhere(tmp_path: Path) -> None:
    """Values of the wrong type leave nothing to judge: neither TLS nor the bundle is missed then."""
    path = write_site(tmp_path, {"A": 'driver = "memory"', "B": 'driver = "memory"'})
    _edit(path, "insecure = true", 'insecure = "perhaps"')
    _edit(path, 'bundle = "tiny.bundle"', "bundle = 7")
    _edit(path, 'plan = "A.toml"', "plan = 7")
    inbound = '[[v2x.inbound]]\nintersection = 1\nlane = 1\njunction = "A"\ngroup = "side"\n'
    path.write_text(path.read_text() + '[v2x]\npeers = ["x"]\n' + inbound)
    assert _problems(path).keys() == {"controller.insecure", "policy.bundle", "junction[0].plan"}


@pytest.mark.parametrize("text", ["junction = 7", "junction = [7]", "controller = 7\nsurprise = 1", ""])
def test_a_file_of_another_shape_is_refused_with_its_mistakes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(text)
    assert _problems(path)
