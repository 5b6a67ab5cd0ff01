"""The long proofs, one row each; `python -m tests.proofs` runs them and `make prove` calls that.

To add a proof: write a command that prints its progress, ends with a verdict, and exits 0 only when the
claim holds; add a row. When the row names a result, the command gets `--out tests/proofs/results/NAME.json`
and writes its figures there with `write_result`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, slots=True)
class Proof:
    """One long proof.

    Attributes:
        name: what it is called on the command line, and its result file without the ending.
        claim: what holds when the command exits with 0.
        module: the module that is run, and its arguments.
        result: whether it writes `results/NAME.json`.
    """

    name: str
    claim: str
    module: tuple[str, ...]
    result: bool = False

    @property
    def path(self) -> Path:
        """Where the committed result of this proof is."""
        return RESULTS / f"{self.name}.json"

    def command(self, *more: str) -> list[str]:
        """The command line, run from the root of the checkout."""
        out = ("--out", str(self.path)) if self.result else ()
        return [sys.executable, "-m", *self.module, *out, *more]


def pytest_at_large(*paths: str) -> tuple[str, ...]:
    """The tests of these paths with the large Hypothesis profile."""
    return ("pytest", "-q", "--hypothesis-profile", "prove", "--timeout", "3600", *paths)


PROOFS: tuple[Proof, ...] = (
    Proof(
        "exhaustive",
        "every junction on up to four groups is safe, live, and serves every call within its bound",
        ("tests.proofs.exhaustive",),
        result=True,
    ),
    Proof(
        "street",
        "a day of random requests at every known junction: the monitor stays silent, nobody waits too long",
        ("tests.proofs.street",),
        result=True,
    ),
    Proof(
        "episodes",
        "whole episodes in SUMO under random legal stages, RESCO's maps among them: the monitor stays silent",
        ("tests.proofs.episodes",),
        result=True,
    ),
    Proof(
        "controller-faults",
        "a controller killed, starved, flooded or misled leaves its cabinets safe and its audit whole",
        ("tests.proofs.faults_controller",),
        result=True,
    ),
    Proof(
        "controller-soak",
        "an hour of a busy controller at twenty times the speed: its memory stays flat",
        ("tests.proofs.soak_controller",),
        result=True,
    ),
    Proof(
        "monitor-mutants",
        "the monitor finds every seeded fault of lamps, rule book and matrix, and nothing else",
        ("tests.mmu.mutant_table",),
        result=True,
    ),
    Proof(
        "mutation",
        "tests notice at least 95 % of the changes anybody could make to the rule book's core",
        ("tests.proofs.mutation",),
        result=True,
    ),
    Proof(
        "properties",
        "the properties of rule book and monitor hold on thousands of examples each",
        ("tests.proofs.properties",),
        result=True,
    ),
    Proof(
        "cabinet-faults",
        "every fault of wire and cabinet leaves it safe within its backup time, and control comes back",
        ("tests.proofs.faults_cabinets",),
        result=True,
    ),
    Proof(
        "wire-fuzz",
        "a million frames for every wire decoder: none crashes it, none holds it up",
        ("tests.proofs.wire_fuzz",),
        result=True,
    ),
    Proof(
        "signal-replay",
        "ten minutes played over SNMP into the virtual NTCIP cabinet show the signals that were recorded",
        ("tests.proofs.signal_replay",),
        result=True,
    ),
    Proof(
        "ntcip-fuzz",
        "the NTCIP codec and driver survive thousands of malformed answers",
        pytest_at_large("tests/cabinets/test_ntcip_fuzz.py"),
    ),
)
