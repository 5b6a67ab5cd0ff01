"""Pauses by garbage collection in a controller that serves, the state of 10,000 junctions alive and changing.

The whole service runs, with its own settings for collections, and with a slow clock: so many junctions are
more than one core ticks ten times a second. Every junction's state is replaced at every tick.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks._city import light_cabinets, write_city
from benchmarks._rpc import settle
from benchmarks._service import served, write_service
from stopline_controller.assembly import Controller, assemble
from stopline_controller.garbage import WARM
from stopline_controller.logs import configure_logs
from stopline_controller.site import read_site

JUNCTIONS = 10_000
DECISIONS = 40_000
RATE = 0.03
"""Speed of the controller's clock: 3,000 ticks and 375 decisions a real second."""
INTERVAL = 0.8
"""Seconds of that clock between two decisions of a junction."""
WARM_S = WARM + 40.0
"""Until memory has its size, as the keeper of garbage sees it."""
DEFAULT_S = 20.0


class Pauses:
    """Called by the interpreter around every collection while inside.

    How long a collection takes is what its thread had of the processor: being called is where the thread may
    be made to wait for another, or be put aside, and that is nothing the collector does.
    """

    def __init__(self) -> None:
        self.worst_ms = [0.0, 0.0, 0.0]
        """By generation."""
        self.waited_ms = 0.0
        """The worst by the clock, whoever had the processor or the interpreter meanwhile."""
        self.count = Counter[int]()
        self.found = 0
        """Objects of cycles."""
        self._began = self._worked = 0.0

    def __enter__(self) -> None:
        gc.callbacks.append(self)

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self)

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began, self._worked = time.perf_counter(), time.thread_time()
            return
        took, generation = (time.thread_time() - self._worked) * 1000, int(info["generation"])
        self.waited_ms = max(self.waited_ms, (time.perf_counter() - self._began) * 1000)
        self.worst_ms[generation] = max(self.worst_ms[generation], took)
        self.count[generation] += 1
        self.found += info["collected"]


def pauses(junctions: int = JUNCTIONS, decisions: int = DECISIONS) -> dict[str, float]:
    """Collections while that many decisions are made; then some seconds as the interpreter would collect."""
    controller, kept, default = _slow_city(junctions), Pauses(), Pauses()

    def as_by_default() -> None:
        gc.unfreeze()
        gc.enable()
        with default:
            time.sleep(DEFAULT_S)
        gc.disable()

    seconds = decisions / (junctions * RATE / INTERVAL)
    found = served(controller, WARM_S, seconds, core=0, meanwhile=kept, after=as_by_default)
    for name, seen in (("kept", kept), ("by_default", default)):
        found[f"{name}_ms"] = max(seen.worst_ms)
        found[f"{name}_waited_ms"] = seen.waited_ms
        for generation in range(3):
            found[f"{name}_ms_{generation}"] = seen.worst_ms[generation]
            found[f"{name}_collections_{generation}"] = seen.count[generation]
    found["kept_objects"] = kept.found
    return found


def _slow_city(junctions: int) -> Controller:
    light_cabinets()
    folder = Path(tempfile.mkdtemp(prefix="stopline-pauses-"))
    site = read_site(write_city(folder, junctions, "light", INTERVAL, service=write_service(folder)))
    # A site file cannot ask for less than real time: only a benchmark has a use for it.
    table = site.tables.controller.model_copy(update={"clock_rate": RATE})
    return assemble(replace(site, tables=site.tables.model_copy(update={"controller": table})))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--junctions", type=int, default=JUNCTIONS)
    parser.add_argument("--decisions", type=int, default=DECISIONS)
    parser.add_argument("--core", type=int, default=1)
    options = parser.parse_args(arguments)
    settle(options.core)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        configure_logs(nowhere)
        print(json.dumps(pauses(options.junctions, options.decisions)))


if __name__ == "__main__":
    main()
