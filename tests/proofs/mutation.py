"""Mutation score of the rule book's core: `python -m tests.proofs.mutation`.

mutmut changes engine, transitions and guard in one place at a time and runs the tests that reach that place;
a mutant nobody notices is a test that is missing. It wants the package beside the tests, so both are laid out
in `runs/mutation`, where a stopped run goes on. Only directed tests of the core and its recorded runs
take part: what it takes random examples, a search or a day of simulated time to find is not counted. What
they notice in one process is found out first; mutmut tries the rest.

A mutant that changes nothing anybody could see is listed in `equivalent_mutants.toml`, each with its reason,
and left out of the score; an entry that a test kills, or that no mutant matches, is an error.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import chdir
from dataclasses import asdict, dataclass
from difflib import ndiff
from pathlib import Path
from typing import Any

from mutmut.configuration import reset_config
from mutmut.mutation.file_mutation import mutate_file_contents

from tests.proofs._result import Stopwatch, write_result
from tests.proofs._table import ROOT

MODULES = ("engine", "transition", "guard", "preemption", "flash")
TESTS = (
    "test_recorded_runs.py",
    "test_engine.py",
    "test_engine_details.py",
    "test_engine_restarted_turn.py",
    "test_guard.py",
    "test_guard_details.py",
    "test_flash.py",
    "test_preemption.py",
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
"""The least share of mutants that must be killed."""
UNTRIED, MISSED = "untried", ("survived", "no test")
SETTINGS = """
[tool.pytest.ini_options]
pythonpath = ["."]
addopts = ["--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:timeout"]
[tool.mutmut]
source_paths = ["stopline_signals"]
only_mutate = [{modules}]
pytest_add_cli_args_test_selection = ["tests/signals"]
use_git_change_detection = false
"""
CONFTEST = '''
"""Only the directed tests: they take milliseconds and always do the same."""

def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if not hasattr(item.obj, "hypothesis")]
'''


@dataclass(frozen=True, slots=True)
class Mutant:
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
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier run found out")
    parser.add_argument("--sample", type=int, metavar="N", help="only N mutants, drawn with --seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--module", action="append", choices=MODULES, help="only of this one; repeatable")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only mutants of these names; * is allowed")
    options = parser.parse_args(arguments)
    stopwatch = Stopwatch()
    modules: Sequence[str] = options.module or MODULES
    lay_out(options.folder, modules, fresh=options.fresh)
    chosen: list[str] = options.only or []
    if options.sample is not None:
        names = sorted(name for _, names in _made(options.folder, modules).values() for name in names)
        chosen = random.Random(options.seed).sample(names, min(options.sample, len(names)))
    if not chosen:
        look_quickly(options.folder, modules)
    mutate(options.folder, chosen)
    tried = [mutant for mutant in mutants(options.folder, modules) if mutant.verdict != UNTRIED]
    return _judge(tried, stopwatch, options.out)


def lay_out(folder: Path, modules: Sequence[str] = MODULES, *, fresh: bool = False) -> None:
    """Put package and tests side by side, as mutmut wants them; what is known of unchanged code stays."""
    if fresh and folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(ROOT / "signals/stopline_signals", folder / "stopline_signals", dirs_exist_ok=True)
    tests = folder / "tests" / "signals"
    tests.mkdir(parents=True, exist_ok=True)
    for name in (*TESTS, *HELPERS):
        source = ROOT / "tests/signals" / name
        if source.is_dir():
            shutil.copytree(source, tests / name, dirs_exist_ok=True)
        elif source.exists():
            shutil.copy(source, tests / name)
    files = ", ".join(f'"stopline_signals/{module}.py"' for module in modules)
    (folder / "pyproject.toml").write_text(SETTINGS.format(modules=files), encoding="utf-8")
    (folder / "tests" / "conftest.py").write_text(CONFTEST, encoding="utf-8")


def mutate(folder: Path, names: Sequence[str] = ()) -> None:
    """Run mutmut; what it prints goes to `mutmut.log` in the folder.

    Raises:
        RuntimeError: it gave up, most often because a test fails without any mutant.
    """
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *names]
    log = folder / "mutmut.log"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        raise RuntimeError(f"mutmut gave up, see {log}: {log.read_text(encoding='utf-8')[-2000:]}")


def look_quickly(folder: Path, modules: Sequence[str]) -> None:
    """Note which mutants the quick look notices, so that mutmut only tries the others.

    A mutant that hangs the whole process ends it; who was not reached is mutmut's to try.
    """
    mutate(folder, ["stopline_signals.*_1"])
    beside = folder / "mutants"
    noticed = _noticed(beside, modules)
    for module in modules:
        path = beside / "stopline_signals" / f"{module}.py.meta"
        meta = json.loads(path.read_text(encoding="utf-8"))
        codes = meta["exit_code_by_key"]
        codes.update({name: 1 for name, code in codes.items() if code is None and name in noticed})
        path.write_text(json.dumps(meta, indent=4), encoding="utf-8")


def quick_sample(folder: Path, modules: Sequence[str], count: int, seed: int) -> tuple[set[str], set[str]]:
    """Names of some mutants, and of those among them that the quick look notices; takes seconds."""
    lay_out(folder, modules)
    made = _made(folder, modules)
    names = sorted(name for module in modules for name in made[module][1])
    chosen = set(random.Random(seed).sample(names, min(count, len(names))))
    for module in modules:
        (folder / "stopline_signals" / f"{module}.py").write_text(made[module][0], encoding="utf-8")
    return chosen, _noticed(folder, (*modules, *sorted(chosen)))


def mutants(folder: Path, modules: Sequence[str] = MODULES) -> Iterator[Mutant]:
    """What is known of every mutant."""
    for module in modules:
        path = folder / "mutants" / "stopline_signals" / f"{module}.py"
        known = json.loads(path.with_suffix(".py.meta").read_text(encoding="utf-8"))["exit_code_by_key"]
        sources = _functions(path)
        for name, code in known.items():
            own = name.rpartition(".")[2]
            before, after = _difference(sources[own.rpartition("__")[0] + "__mutmut_orig"], sources[own])
            yield Mutant(name, _readable(module, own), before, after, _verdict(code))


def equivalents() -> dict[tuple[str, str, str], str]:
    """The changes nobody can see, with their reasons."""
    rows = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]
    return {(row["where"], row["before"], row["after"]): row["reason"] for row in rows}


def _judge(tried: Sequence[Mutant], stopwatch: Stopwatch, out: Path | None) -> int:
    same = equivalents()
    counted = [mutant for mutant in tried if mutant.change not in same]
    survivors = [mutant for mutant in counted if mutant.verdict in MISSED]
    wrong = [mutant for mutant in tried if mutant.change in same and mutant.verdict not in MISSED]
    score = 1 - len(survivors) / len(counted) if counted else 0.0
    for mutant in survivors:
        print(f"{mutant.verdict}: {mutant.where}\n    - {mutant.before}\n    + {mutant.after}")
    for mutant in wrong:
        print(
            f"listed as equivalent, but {mutant.verdict}: {mutant.where}: {mutant.before} -> {mutant.after}"
        )
    killed, left_out = len(counted) - len(survivors), len(tried) - len(counted)
    said = f"{killed} of {len(counted)} mutants killed, {left_out} equivalent ones left out"
    print(f"mutation score {score:.1%} (at least {FLOOR:.0%}): {said}")
    holds = score >= FLOOR and not wrong
    if out:
        write_result(
            out, "python -m tests.proofs mutation", stopwatch, _figures(tried, survivors, score, holds)
        )
    return 0 if holds else 1


def _figures(
    tried: Sequence[Mutant], survivors: Sequence[Mutant], score: float, holds: bool
) -> dict[str, Any]:
    same = equivalents()
    modules: dict[str, Counter[str]] = {}
    for mutant in tried:
        verdict = "equivalent" if mutant.change in same else mutant.verdict
        modules.setdefault(mutant.where.partition(".")[0], Counter())[verdict] += 1
    return {
        "holds": holds,
        "score": round(score, 4),
        "floor": FLOOR,
        "mutants": len(tried),
        "equivalent": sum(mutant.change in same for mutant in tried),
        "modules": modules,
        "tests": list(TESTS),
        "survivors": [asdict(mutant) for mutant in survivors],
    }


def _made(folder: Path, modules: Sequence[str]) -> dict[str, tuple[str, list[str]]]:
    """Per module the code with all mutants in it, and their names."""
    made: dict[str, tuple[str, list[str]]] = {}
    with chdir(folder):
        reset_config()
        for module in modules:
            path = Path("stopline_signals") / f"{module}.py"
            file = mutate_file_contents(str(path), path.read_text(encoding="utf-8"))
            made[module] = file.code, [f"stopline_signals.{module}.{name}" for name in file.mutant_names]
    return made


def _noticed(folder: Path, arguments: Sequence[str]) -> set[str]:
    """Run the quick look beside a package with mutants; names of those it notices."""
    shutil.copy(Path(__file__).parent / "_quick_look.py", folder / "quick_look.py")
    command = [sys.executable, "quick_look.py", *arguments]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    return set(done.stdout.split())


def _verdict(code: int | None) -> str:
    if code in (None, 2):
        return UNTRIED
    assert code is not None
    return {0: "survived", 33: "no test", 5: "no test", 1: "killed", 3: "killed"}.get(
        code, "killed by time or crash"
    )


def _functions(path: Path) -> dict[str, list[str]]:
    """Source lines of every generated function, by the index mutmut keeps beside the file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    spans = json.loads(path.with_suffix(".py.spans").read_text(encoding="utf-8"))["spans"]
    return {name: lines[start - 1 : end] for name, (start, end) in spans.items()}


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
