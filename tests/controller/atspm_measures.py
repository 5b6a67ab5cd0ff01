"""Run by the foreign interpreter: prints what the atspm package makes of an exported log, as JSON."""

import json
import sys

from atspm import SignalDataProcessor  # type: ignore[import-not-found]  # in an environment of its own

events, detectors = sys.argv[1:]
MEASURES = {
    "has_data": {"no_data_min": 5, "min_data_points": 3},
    "actuations": {},
    "arrival_on_green": {"latency_offset_seconds": 0},
    "split_failures": {
        "red_time": 5,
        "red_occupancy_threshold": 0.8,
        "green_occupancy_threshold": 0.8,
        "by_approach": True,
        "by_cycle": False,
    },
    "yellow_red": {"latency_offset_seconds": 0, "min_red_offset": -8},
    "terminations": {},
    "ped": {},
}
with SignalDataProcessor(
    raw_data=events,
    detector_config=detectors,
    bin_size=15,
    verbose=0,
    aggregations=[{"name": name, "params": params} for name, params in MEASURES.items()],
) as processor:
    processor.load()
    processor.aggregate()
    tables = {}
    for name in MEASURES:
        found = processor.conn.execute(f"SELECT * FROM {name}")
        columns = [column[0] for column in found.description]
        tables[name] = [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
print(json.dumps(tables, default=str))
