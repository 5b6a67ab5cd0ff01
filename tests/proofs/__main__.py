"""Run the long proofs one after the other and say which claims hold: `python -m tests.proofs [NAME ...]`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.proofs._table import PROOFS, ROOT, Proof


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named proofs, all by default; every one runs even when another fails."""
    proofs = {proof.name: proof for proof in PROOFS}
    parser = argparse.ArgumentParser(prog="python -m tests.proofs", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(proofs)}")
    parser.add_argument("--list", action="store_true", help="say what each proof claims, and run none")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(proofs))
    if unknown:
        parser.error(f"no proof called {', '.join(unknown)}; there are: {', '.join(proofs)}")
    chosen = [proofs[name] for name in options.names or proofs]
    if options.list:
        for proof in chosen:
            print(f"{proof.name:14} {proof.claim}")
        return 0
    verdicts = [(proof, *_run(proof)) for proof in chosen]
    print()
    for proof, holds, seconds in verdicts:
        print(f"{'holds ' if holds else 'BROKEN'} {proof.name:14} {seconds:7.0f} s  {proof.claim}")
    return 0 if all(holds for _, holds, _ in verdicts) else 1


def _run(proof: Proof) -> tuple[bool, float]:
    print(f"== {proof.name}: {proof.claim}", flush=True)
    began = time.monotonic()
    done = subprocess.run(proof.command(), cwd=ROOT, check=False)
    return done.returncode == 0, time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
