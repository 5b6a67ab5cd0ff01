"""Mutation score of the rule book's core: `python -m tests.proofs.mutation`.

mutmut changes engine, transitions and guard in one place at a time; a mutant nobody notices is a test that
is missing. All mutants are made at once, laid out in `runs/mutation` beside the tests, and tried in one
process (`_quick_look`), which stops at the first test that fails: minutes instead of hours. Only directed
tests of the core and its recorded runs take part: what it takes random examples, a search or a day of
simulated time to find is not counted.

A mutant that changes nothing anybody could see is listed in `equivalent_mutants.toml`, each with its reason,
and left out of the score; an entry that a test kills, or that no mutant matches, is an error.
"""

from __future__ import annotations

import argparse
import ast
import random
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Container, Mapping, Sequence
from contextlib import chdir
from difflib import ndiff
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from mutmut.configuration import reset_config
from mutmut.mutation.file_mutation import mutate_file_contents

from tests.proofs._result import Stopwatch, write_result
from tests.proofs._table import ROOT

MODULES = ("engine", "engine_state", "engine_tables", "transition", "guard")
MORE = ("preemption", "flash")
"""Only with --module: what asks the engine for stages, and cannot show a lamp by itself."""
TESTS = (
    "test_recorded_runs.py",
    "test_transition_details.py",
    "test_walks_beside_turns.py",
    "test_engine_edges.py",
    "test_engine_details.py",
    "test_engine.py",
    "test_engine_run.py",
    "test_engine_restarted_turn.py",
    "test_guard.py",
    "test_guard_details.py",
    "test_flash.py",
    "test_preemption.py",
    "test_preemption_details.py",
)
HELPERS = (
    "plans_for_tests.py",
    "lamp_checker.py",
    "recorded_runs.py",
    "irregular.py",
    "irregular_plan.py",
    "data",
)
EQUIVALENT = Path(__file__).parent / "equivalent_mutants.toml"
FLOOR = 0.95
"""The least share of mutants that must be killed, in each module."""
PROVEN = (
    *(f"signals/stopline_signals/{module}.py" for module in (*MODULES, *MORE)),
    *(f"tests/signals/{name}" for name in (*TESTS, *HELPERS)),
    "tests/proofs/mutation.py",
    "tests/proofs/_quick_look.py",
    "tests/proofs/equivalent_mutants.toml",
)
SETTINGS = """
[tool.mutmut]
source_paths = ["stopline_signals"]
"""
KILLED, SURVIVED = "killed", "survived"


class Mutant(NamedTuple):
    """One change: where, what it replaces by what, and what became of it."""

    name: str
    where: str
    before: str
    after: str
    verdict: str

    @property
    def change(self) -> tuple[str, str, str]:
        """What identifies it: the number in its name moves with every edit of the function."""
        return self.where, self.before, self.after


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants, print the score and who survived, write the result; 1 when the score is too low."""
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.mutation")
    parser.add_argument("--out", type=Path, help="write the result here")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "mutation", help="where to work")
    parser.add_argument("--sample", type=int, metavar="N", help="only N mutants, drawn with --seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--module", action="append", choices=(*MODULES, *MORE), help="only of this one; repeatable"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only mutants of these names; * is allowed")
    options = parser.parse_args(arguments)
    stopwatch = Stopwatch(PROVEN)
    modules: Sequence[str] = options.module or MODULES
    made = lay_out(options.folder, modules)
    chosen = _chosen(sorted(made), options.only, options.sample, options.seed)
    noticed = tried_on(options.folder, modules, chosen)
    whole = not options.sample and not options.only and set(modules) == set(MODULES)
    tried = [mutant._replace(verdict=KILLED) if name in noticed else mutant for name, mutant in made.items()]
    return _judge([mutant for mutant in tried if mutant.name in chosen], stopwatch, options.out, whole=whole)


def lay_out(folder: Path, modules: Sequence[str] = MODULES) -> dict[str, Mutant]:
    """Put tests and a package with all mutants in it side by side; the mutants by name, none tried yet."""
    if folder.exists():
        shutil.rmtree(folder)
    package, tests = folder / "stopline_signals", folder / "tests" / "signals"
    shutil.copytree(ROOT / "signals/stopline_signals", package)
    tests.mkdir(parents=True)
    for name in (*TESTS, *HELPERS):
        source = ROOT / "tests/signals" / name
        if source.is_dir():
            shutil.copytree(source, tests / name)
        else:
            shutil.copy(source, tests / name)
    (folder / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    made: dict[str, Mutant] = {}
    with chdir(folder):
        reset_config()
        for module in modules:
            path = Path("stopline_signals") / f"{module}.py"
            file = mutate_file_contents(str(path), path.read_text(encoding="utf-8"))
            path.write_text(file.code, encoding="utf-8")
            sources = _functions(file.code)
            for name in file.mutant_names:
                before, after = _difference(
                    sources[f"{name.rpartition('__')[0]}__mutmut_orig"], sources[name]
                )
                full = f"stopline_signals.{module}.{name}"
                made[full] = Mutant(full, _readable(module, name), before, after, SURVIVED)
    return made


def tried_on(folder: Path, modules: Sequence[str], names: Sequence[str]) -> set[str]:
    """Names of those among the mutants that the quick look notices.

    Raises:
        RuntimeError: it gave up, most often because a test fails without any mutant.
    """
    shutil.copy(Path(__file__).parent / "_quick_look.py", folder / "quick_look.py")
    (folder / "names.txt").write_text("\n".join(names), encoding="utf-8")
    tests = [name.removesuffix(".py") for name in TESTS if name != "test_recorded_runs.py"]
    command = [sys.executable, "quick_look.py", "names.txt", ",".join(modules), *tests]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the quick look gave up with {done.returncode}; it is in {folder}")
    return set(done.stdout.split())


def equivalents() -> dict[tuple[str, str, str], str]:
    """The changes nobody can see, with their reasons."""
    rows = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]
    return {(row["where"], row["before"], row["after"]): row["reason"] for row in rows}


def _chosen(names: Sequence[str], only: Sequence[str] | None, count: int | None, seed: int) -> list[str]:
    if only:
        names = [name for name in names if any(fnmatchcase(name, pattern) for pattern in only)]
    return list(names) if count is None else random.Random(seed).sample(names, min(count, len(names)))


def _judge(tried: Sequence[Mutant], stopwatch: Stopwatch, out: Path | None, *, whole: bool = False) -> int:
    same = equivalents()
    counted = [mutant for mutant in tried if mutant.change not in same]
    survivors = [mutant for mutant in counted if mutant.verdict == SURVIVED]
    wrong = [mutant for mutant in tried if mutant.change in same and mutant.verdict != SURVIVED]
    unknown = sorted(set(same) - {mutant.change for mutant in tried}) if whole else []
    for mutant in survivors:
        print(f"{mutant.verdict}: {mutant.where}\n    - {mutant.before}\n    + {mutant.after}")
    for mutant in wrong:
        print(f"listed as equivalent, but {mutant.verdict}: {' | '.join(mutant.change)}")
    for change in unknown:
        print(f"listed as equivalent, but there is none: {' | '.join(change)}")
    modules = _by_module(tried, same)
    print("; ".join(f"{module} {row['score']:.1%}" for module, row in modules.items()))
    killed, left_out = len(counted) - len(survivors), len(tried) - len(counted)
    score = killed / len(counted) if counted else 0.0
    said = f"{killed} of {len(counted)} mutants killed, {left_out} equivalent ones left out"
    print(f"mutation score {score:.1%} (at least {FLOOR:.0%} in each module): {said}")
    worst = min((row["score"] for row in modules.values()), default=0.0)
    holds = worst >= FLOOR and not wrong and not unknown
    if out:
        figures = {
            "holds": holds,
            "score": round(score, 4),
            "floor": FLOOR,
            "mutants": len(tried),
            "equivalent": left_out,
            "modules": modules,
            "tests": list(TESTS),
            "survivors": [mutant._asdict() for mutant in survivors],
        }
        write_result(out, "python -m tests.proofs mutation", stopwatch, figures)
    return 0 if holds else 1


def _by_module(tried: Sequence[Mutant], same: Container[tuple[str, str, str]]) -> dict[str, dict[str, float]]:
    """Per module how many mutants were killed, survived or are equivalent, and the score."""
    rows: dict[str, dict[str, float]] = {}
    for mutant in tried:
        row = rows.setdefault(
            mutant.where.partition(".")[0], {"score": 0.0, KILLED: 0, SURVIVED: 0, "equivalent": 0}
        )
        row["equivalent" if mutant.change in same else mutant.verdict] += 1
    for row in rows.values():
        counted = row[KILLED] + row[SURVIVED]
        row["score"] = round(row[KILLED] / counted, 4) if counted else 1.0
    return rows


def _functions(code: str) -> Mapping[str, Sequence[str]]:
    """Source lines of every function of a module, by name."""
    lines = code.splitlines()
    found = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef)]
    return {node.name: lines[node.lineno - 1 : node.end_lineno] for node in found}


def _difference(original: Sequence[str], mutant: Sequence[str]) -> tuple[str, str]:
    """The lines that differ, without those that name the function."""
    changes = [line for line in ndiff(original, mutant) if line[0] in "-+"]
    before = [line[2:].strip() for line in changes if line[0] == "-"]
    after = [line[2:].strip() for line in changes if line[0] == "+"]
    if before and after and before[0].startswith("def ") and after[0].startswith("def "):
        before[0], after[0] = before[0].partition("(")[2], after[0].partition("(")[2]
        if before[0] == after[0]:
            del before[0], after[0]
    return " ".join(before), " ".join(after)


def _readable(module: str, mangled: str) -> str:
    function = mangled.rpartition("__mutmut_")[0]
    path = function.split("ǁ")[1:] if "ǁ" in function else [function.removeprefix("x_")]
    return ".".join([module, *path])


if __name__ == "__main__":
    sys.exit(main())
