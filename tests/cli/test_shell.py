"""The shell of the command: fast, lazy, and uniform in how it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

from stopline_cli import main, output
from stopline_signals.errors import SiteError
from tests.processor_time import seconds_of

HELP = "from stopline_cli.main import app; app(['--help'])"
LIBRARIES = "import typer.main, rich.console, rich.table"
"""What no help does without."""
MOST = 2.8
"""Times their processor time; 1.8 to 2.1 was measured."""
HEAVY = ("torch", "sumo", "libsumo", "numpy", "onnxruntime", "grpc", "pydantic", "pymodbus")


@pytest.fixture
def environment(root: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(root / "cli"), str(root / "signals")])}


def test_help_takes_hardly_longer_than_what_prints_it(environment: dict[str, str]) -> None:
    ours, theirs = (min(seconds_of(what, environment) for _ in range(4)) for what in (HELP, LIBRARIES))
    assert ours < MOST * theirs


def test_help_imports_nothing_heavy(environment: dict[str, str]) -> None:
    program = f"""
import sys
from stopline_cli.main import app
try:
    app(["--help"])
except SystemExit:
    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stderr.strip() == "[]"


def test_every_row_has_its_module_and_teaches() -> None:
    for row in main.COMMANDS:
        shown = CliRunner().invoke(main.app, [*row.name.split(), "--help"])
        assert shown.exit_code == 0, shown.output
        assert len(shown.output.splitlines()) > 8, f"{row.name}: the help is too short to teach anything"


def test_every_command_module_has_its_row(root: Path) -> None:
    listed = {row.module.rpartition(".")[2] for row in main.COMMANDS}
    modules = {
        path.stem
        for path in (root / "cli/stopline_cli").glob("*.py")
        if "\ndef command(" in path.read_text(encoding="utf-8")
    }
    assert listed == modules


def test_version() -> None:
    shown = CliRunner().invoke(main.app, ["--version"])
    assert shown.exit_code == 0
    assert shown.output.startswith("stopline 0.")


def test_an_unknown_command_is_bad_usage() -> None:
    assert CliRunner().invoke(main.app, ["evalute"]).exit_code == 2


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[..., None]], typer.Typer]]:
    """Return a shell that has one command of ours, alone and in a group."""

    def make(command: Callable[..., None]) -> typer.Typer:
        module = ModuleType("stopline_cli_example")
        module.__dict__["command"] = command
        monkeypatch.setitem(sys.modules, module.__name__, module)
        rows = (
            main.Row("try", module.__name__, "Try it."),
            main.Row("bundle try", module.__name__, "Try it there."),
        )
        monkeypatch.setattr(main, "_ROWS", {row.name: row for row in rows})
        return main.build(rows)

    yield make


def run(app: typer.Typer, words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, words.split())
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("words", ["try", "bundle try"])
def test_a_command_runs_with_its_own_options(
    shell: Callable[[Callable[..., None]], typer.Typer], words: str
) -> None:
    def command(count: int = 1) -> None:
        typer.echo(f"counted {count}")

    app = shell(command)
    assert run(app, f"{words} --count 3") == (0, "counted 3\n", "")
    code, _, errors = run(app, f"{words} --count three")
    assert code == 2
    assert "--count" in errors
    assert run(app, f"{words} --cuont 3")[0] == 2


@pytest.mark.parametrize("words", ["try", "bundle try"])
def test_a_failure_is_one_line_on_stderr(
    shell: Callable[[Callable[..., None]], typer.Typer], words: str
) -> None:
    def command() -> None:
        raise SiteError("site.toml, line 3: unknown key 'prot'; did you mean 'port'?")

    expected = "error: site.toml, line 3: unknown key 'prot'; did you mean 'port'?\n"
    assert run(shell(command), words) == (1, "", expected)


def test_a_missing_file_is_named(shell: Callable[[Callable[..., None]], typer.Typer], tmp_path: Path) -> None:
    def command() -> None:
        (tmp_path / "net.xml").read_text(encoding="utf-8")

    assert run(shell(command), "try") == (
        1,
        "",
        f"error: {tmp_path / 'net.xml'}: No such file or directory\n",
    )


def test_a_missing_extra_is_named(shell: Callable[[Callable[..., None]], typer.Typer]) -> None:
    def command() -> None:
        raise ModuleNotFoundError("No module named 'libsumo'", name="libsumo")

    code, _, errors = run(shell(command), "try")
    assert code == 1
    assert "pip install 'stopline[sim]'" in errors


def test_a_bug_keeps_its_traceback(shell: Callable[[Callable[..., None]], typer.Typer]) -> None:
    def command() -> None:
        raise ZeroDivisionError

    done = CliRunner().invoke(shell(command), ["try"])
    assert isinstance(done.exception, ZeroDivisionError)
    assert done.exit_code == 1


def test_the_traceback_of_a_failure_can_be_asked_for(
    shell: Callable[[Callable[..., None]], typer.Typer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command() -> None:
        raise SiteError("no")

    monkeypatch.setenv("STOPLINE_TRACEBACK", "1")
    assert isinstance(CliRunner().invoke(shell(command), ["try"]).exception, SiteError)


ROWS: list[dict[str, object]] = [
    {"controller": "fixed", "delay_s": 31.25, "unserved": 0},
    {"controller": "[b]", "delay_s": None, "unserved": 2},
]


def test_json_is_exact(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(ROWS, title="Delay", as_json=True)
    assert json.loads(capsys.readouterr().out) == ROWS


def test_a_table_rounds_and_keeps_odd_names(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(ROWS, title="Delay", digits=1)
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("Delay", "fixed", "delay s", "31.2", "[b]", "–"))


def test_an_empty_table_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table([], as_json=True)
    output.print_table([])
    assert capsys.readouterr().out.startswith("[]")
