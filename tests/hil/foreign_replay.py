"""Run by the Python of the `measures` environment, not by ours: replay a recorded log into a cabinet.

Usage: python foreign_replay.py RECORDED.csv PORT SPEED. It says "ready", plays after a line of input, says
"played"; each further line is the path of a log that it compares with the recorded one. Answers are lines
that begin with ANSWER.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

ANSWER = "answer: "
"""The libraries print what they like."""
ONE_TICK_S = 0.15
"""What signal-replay advises against logs that are cut to tenths."""


def main(recorded: str, port: int, speed: float) -> None:
    foreign: Any = import_module("signal_replay")
    config = foreign.SignalConfig(
        device_id="1",
        ip="127.0.0.1",
        udp_port=port,
        http_port=None,
        snmp_community="administrator",
        replay_latency_offset_seconds=0.0,
    )
    config.events = events(recorded)
    replay = foreign.SignalReplay(config, simulation_speed=speed)
    print(f"{ANSWER}ready", flush=True)
    sys.stdin.readline()
    replay.run()
    print(f"{ANSWER}played", flush=True)
    while path := sys.stdin.readline().strip():
        print(f"{ANSWER}{json.dumps(compared(foreign, replay, path))}", flush=True)


def compared(foreign: Any, replay: Any, path: str) -> dict[str, Any]:
    """What signal-replay finds between what it played and a log."""
    logged = events(path)
    source = replay.get_source_comparison_events()
    result = foreign.compare_runs(source, logged, device_id="1", group_tolerance=ONE_TICK_S)
    wrong, why = foreign.ComparisonThresholds().exceeds_threshold(
        result.sequence_dtw.normalized_distance,
        result.timing_dtw.normalized_distance,
        result.match_percentage,
    )
    sent = replay.replay_info
    return {
        "exceeds": wrong,
        "why": why,
        "match": result.match_percentage,
        "sequence": result.sequence_dtw.normalized_distance,
        "timing": result.timing_dtw.normalized_distance,
        "groups": [result.sequence_dtw.sequence_length_a, result.sequence_dtw.sequence_length_b],
        "sent": [sent["events_sent"], sent["events_total"]],
        "divergences": [window.description for window in result.divergence_windows],
    }


def events(path: str) -> Any:
    """A log with the column names signal-replay knows."""
    names = {"TimeStamp": "timestamp", "DeviceId": "device_id", "EventId": "event_id"}
    read = import_module("pandas").read_csv(path, parse_dates=["TimeStamp"])
    return read.rename(columns={**names, "Parameter": "parameter"})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
