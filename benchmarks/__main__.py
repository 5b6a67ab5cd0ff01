"""Run every benchmark, each in a process of its own, and say which limits do not hold."""

from __future__ import annotations

import argparse
import pkgutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def names() -> list[str]:
    """Return the benchmarks there are: the public modules of this folder."""
    return sorted(
        module.name
        for module in pkgutil.iter_modules([str(Path(__file__).parent)])
        if not module.name.startswith("_")
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, all by default; return 1 when one failed or a limit does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(names())}")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder for NAME.json")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(names()))
    if unknown:
        parser.error(f"no benchmark called {', '.join(unknown)}; there are: {', '.join(names())}")
    failed = [name for name in options.names or names() if not _holds(name, options.out.resolve())]
    print(f"does not hold: {', '.join(failed)}" if failed else "every limit holds")
    return 1 if failed else 0


def _holds(name: str, out: Path) -> bool:
    print(f"== {name}", flush=True)
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(out / f"{name}.json")]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
