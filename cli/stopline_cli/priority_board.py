"""What one vehicle says and hears: its numbered reports, and its status per junction as it changes."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence

from google.protobuf.json_format import MessageToDict

from stopline.v1 import priority_pb2
from stopline_cli.output import print_table
from stopline_cli.vehicle_run import Position, Stop, ahead


class Reporter:
    """Makes the reports of one vehicle on its route."""

    def __init__(
        self, vehicle: str, kind: str, route: Sequence[Stop], desired_mps: float, incident: str = ""
    ) -> None:
        """`kind` is the class's name in small letters, `desired_mps` the speed it would like to drive."""
        self._vehicle = vehicle
        self._incident = incident
        self._kind = priority_pb2.VehicleClass.Value(f"VEHICLE_CLASS_{kind.upper()}")
        self._route = route
        self._desired = desired_mps
        # Begun again within a controller's memory of it, the vehicle still counts upwards.
        self._sequence = time.time_ns() // 1_000_000

    def at(self, position: Position) -> priority_pb2.ReportRequest:
        """The report of a position, measured now."""
        report = self._numbered()
        report.speed_mps, report.late_s = position.speed_mps, position.late_s
        report.desired_speed_mps = max(self._desired, position.speed_mps)
        if position.latitude is not None and position.longitude is not None:
            self._on_the_ground(report, position)
        if position.metres is not None:
            for stop, metres in ahead(self._route, position.metres):
                report.upcoming.add(junction_id=stop.junction, group=stop.group, distance_m=metres)
        return report

    def cancelled(self) -> priority_pb2.ReportRequest:
        """The report that ends all its requests."""
        report = self._numbered()
        report.cancel = True
        return report

    def _on_the_ground(self, report: priority_pb2.ReportRequest, position: Position) -> None:
        report.position.latitude_deg = position.latitude or 0.0
        report.position.longitude_deg = position.longitude or 0.0
        report.position.accuracy_m = position.accuracy_m
        if position.heading is not None:
            report.position.heading_deg = position.heading
        for stop in self._route:
            report.route.add(junction_id=stop.junction, group=stop.group)

    def _numbered(self) -> priority_pb2.ReportRequest:
        self._sequence += 1
        report = priority_pb2.ReportRequest(
            vehicle_id=self._vehicle,
            vehicle_class=self._kind,
            sequence=self._sequence,
            incident=self._incident,
        )
        report.measured_at.GetCurrentTime()
        return report


class Board:
    """Prints answers as they come; may be called from several threads."""

    def __init__(self, *, as_json: bool) -> None:
        """As JSON every answer is a line; else what changes, and a table at the end."""
        self._as_json = as_json
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._rows: dict[tuple[str, str], dict[str, object]] = {}
        self._matched: dict[str, str] = {}

    def answer(self, address: str, answer: priority_pb2.ReportResponse) -> None:
        """Take one controller's answer in."""
        with self._lock:
            if self._as_json:
                row = MessageToDict(answer, preserving_proto_field_name=True)
                _print(json.dumps({"controller": address, **row}, ensure_ascii=False))
                return
            if answer.HasField("matched"):
                self._note_match(address, answer.matched)
            for item in answer.junctions:
                self._note(address, item)

    def problem(self, address: str, text: str) -> None:
        """Say that a controller cannot be had, or (empty) that it answers again."""
        with self._lock:
            sys.stderr.write(f"{address}: {text or 'answers again'}\n")

    def close(self) -> None:
        """Print what became of it at each junction."""
        if not self._as_json:
            print_table(list(self._rows.values()), title="what became of it")

    def _note_match(self, address: str, found: priority_pb2.MatchedPosition) -> None:
        """Say which approach the position was matched to, when it is another one."""
        place = f"on {found.approach}" if found.approach else found.reason or "on no approach"
        if self._matched.get(address) == place:
            return
        self._matched[address] = place
        far = f", {found.distance_m:.0f} m from its stop line" if found.approach else ""
        way = ", way ahead predicted" if found.approach and found.predicted else ""
        _print(f"{time.monotonic() - self._began:7.1f} s  {address}: {place}{far}{way}")

    def _note(self, address: str, item: priority_pb2.JunctionPriority) -> None:
        state = priority_pb2.PriorityState.Name(item.state).removeprefix("PRIORITY_STATE_").lower()
        second = time.monotonic() - self._began
        row = self._rows.setdefault(
            (address, item.junction_id),
            {
                "junction": item.junction_id,
                "controller": address,
                "state": "",
                "reason": "",
                "asked_s": None,
                "green_s": None,
            },
        )
        if row["state"] != state:
            _print(
                f"{second:7.1f} s  {item.junction_id}: {state}, arrives in {item.eta_s:.0f} s"
                f"{f' ({item.reason})' if item.reason else ''}"
            )
        row["state"], row["reason"] = state, item.reason
        if state in ("granted", "pending_safe_point", "green") and row["asked_s"] is None:
            row["asked_s"] = second
        if state == "green" and row["green_s"] is None:
            row["green_s"] = second


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
