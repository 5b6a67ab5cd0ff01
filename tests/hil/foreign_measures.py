"""Run by the Python of the `measures` environment, not by ours: what `atspm` computes from a log, as JSON.

Usage: python foreign_measures.py EVENTS.csv DETECTORS.csv; the last line printed is the result.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module

SETTINGS: dict[str, dict[str, object]] = {
    "has_data": {"no_data_min": 5, "min_data_points": 3},
    "actuations": {},
    "arrival_on_green": {"latency_offset_seconds": 0},
    "ped": {},
    "terminations": {},
    "yellow_red": {"latency_offset_seconds": 0, "min_red_offset": -8},
    "split_failures": {
        "red_time": 5,
        "red_occupancy_threshold": 0.8,
        "green_occupancy_threshold": 0.8,
        "by_approach": True,
        "by_cycle": False,
    },
    "phase_wait": {"preempt_recovery_seconds": 120, "assumed_cycle_length": 140, "skip_multiplier": 1.5},
    "timeline": {"min_duration": 0.1, "cushion_time": 60},
    "coordination_agg": {},
}
"""What is computed, and atspm's parameters for it."""


def main(events: str, detectors: str) -> None:
    pandas, atspm = import_module("pandas"), import_module("atspm")
    aggregations = [{"name": name, "params": params} for name, params in SETTINGS.items()]
    with atspm.SignalDataProcessor(
        raw_data=pandas.read_csv(events, parse_dates=["TimeStamp"]),
        detector_config=pandas.read_csv(detectors),
        bin_size=15,
        verbose=0,
        aggregations=aggregations,
    ) as processor:
        processor.load()
        processor.aggregate()
        found = {
            name: json.loads(processor.conn.query(f"select * from {name}").df().to_json(orient="records"))
            for name in SETTINGS
        }
    print(f"\n{json.dumps(found)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
