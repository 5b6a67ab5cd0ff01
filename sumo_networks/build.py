"""Builds the networks beside this script: `python -m sumo_networks.build [--out DIR] [NAME...]`.

Every file is written again from the tables in the `build_*.py` scripts; a second run gives
the same bytes. Run it from the root of the checkout, with the `sim` extra installed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from sumo_networks import build_arterial, build_highstreet, build_single

BUILDERS: dict[str, Callable[[Path, Path], None]] = {
    "arterial": build_arterial.build,
    "highstreet": build_highstreet.build,
    "single": build_single.build,
}


def build(name: str, out: Path) -> None:
    """Write the files of one network into the folder `out`/`name`."""
    target = out / name
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        BUILDERS[name](target, Path(work))


def main() -> None:
    parser = argparse.ArgumentParser(description="Build Stopline's own SUMO networks and demand.")
    parser.add_argument("names", nargs="*", help=f"which of: {', '.join(BUILDERS)} (default: all)")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    options = parser.parse_args()
    for name in options.names or BUILDERS:
        build(name, options.out)
        print(f"built {name} in {options.out / name}")


if __name__ == "__main__":
    main()
