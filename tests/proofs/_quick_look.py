"""Try mutants in one process: which do the recorded runs and the directed tests notice?

Run beside the package with mutants: `python quick_look.py NAMES MODULE,... TEST ...`, NAMES a file with the
names of those to try. mutmut's wrappers are taken off and one mutant at a time is put in place of the
function, which is many times faster than a test run.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.signals.recorded_runs import course, plans, record_of

Place = tuple[Any, str]
RECORDED = ("engine", "engine_state", "engine_tables", "transition", "guard")
"""The modules that the recorded runs run."""
PATIENCE_S = 5
"""Seconds of CPU after which a mutant counts as hanging; all runs together take less than one."""


def main(names: str, modules: str, *directed: str) -> None:
    """Print the names of the mutants that were noticed, one a line."""
    chosen = set(Path(names).read_text(encoding="utf-8").split())
    found = [mutant for module in modules.split(",") for mutant in _unwrapped(module) if mutant[0] in chosen]
    recorded = {name: record_of(name).read_text(encoding="utf-8").splitlines() for name in plans()}
    # The tests of what is changed come first.
    directed = tuple(
        sorted(directed, key=lambda name: not any(module in name for module in modules.split(",")))
    )
    tests = [test for name in directed for test in _tests(f"tests.signals.{name}")]
    if _noticed(recorded, tests):
        raise SystemExit("the recorded runs differ without any mutant")
    signal.signal(signal.SIGVTALRM, _too_long)
    for name, (owner, attribute), mutant in found:
        sound = getattr(owner, attribute)
        owners = [owner] if isinstance(owner, type) else _holders(attribute, sound)
        for place in owners:
            setattr(place, attribute, mutant)
        signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE_S)
        try:
            noticed = _noticed(recorded if name.split(".")[1] in RECORDED else {}, tests)
        except (Exception, pytest.fail.Exception):
            noticed = True
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            for place in owners:
                setattr(place, attribute, sound)
        if noticed:
            print(name, flush=True)
    if _noticed(recorded, tests):
        raise SystemExit("a mutant was left behind")


def _holders(name: str, function: object) -> list[Any]:
    """The modules that have the function under its name: its own and those that import it."""
    return [module for module in list(sys.modules.values()) if vars(module).get(name) is function]


def _unwrapped(module: str) -> Iterator[tuple[str, Place, Callable[..., Any]]]:
    """Every mutant of a module with its name and place; the originals are put back in place on the way."""
    code = import_module(f"stopline_signals.{module}")
    tables = [value for name, value in vars(code).items() if name.startswith("mutants_")]
    for table in tables:
        sound = table["_mutmut_orig"]
        path = sound.__name__.removesuffix("__mutmut_orig")
        parts = path.split("ǁ")[1:] if "ǁ" in path else [path.removeprefix("x_")]
        owner = getattr(code, parts[0]) if len(parts) > 1 else code
        wrapped = getattr(owner, parts[-1])
        for place in [owner] if isinstance(owner, type) else _holders(parts[-1], wrapped):
            setattr(place, parts[-1], sound)
        for name, mutant in table.items():
            if name != "_mutmut_orig":
                yield f"stopline_signals.{module}.{name}", (owner, parts[-1]), mutant


def _tests(module: str) -> Iterator[Callable[[], Any]]:
    """The tests of a module that need no fixture, each with each of its parameters."""
    for name, test in vars(import_module(module)).items():
        if not name.startswith("test_") or hasattr(test, "hypothesis"):
            continue
        marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
        for values in marks[0].args[1] if marks else [()]:
            yield partial(test, *(values if isinstance(values, tuple) else (values,)))


def _noticed(recorded: dict[str, list[str]], tests: list[Callable[[], Any]]) -> bool:
    """Whether a recorded run differs; a test that fails raises."""
    for name, lines in recorded.items():
        for line, (now, _) in zip(lines, course(plans()[name], name), strict=True):
            if now != line:
                return True
    for test in tests:
        test()
    return False


def _too_long(*_: Any) -> None:
    raise TimeoutError


if __name__ == "__main__":
    main(*sys.argv[1:])
