"""The `atspm` package reads the virtual NTCIP cabinet's event log and computes what the log says."""

from __future__ import annotations

import csv
import json
import random
import subprocess
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from stopline_hil.ntcip.hires import Code, HiResLog
from stopline_signals.detectors import DetectorReading
from stopline_signals.plan import DetectorKind
from tests.hil.ntcip_virtual import Virtual, bits

SECONDS = 1500
PHASES = range(1, 9)
REASONS = {"GapOut": Code.GAP_OUT, "MaxOut": Code.MAX_OUT, "ForceOff": Code.FORCE_OFF}


@pytest.fixture(scope="module")
def log() -> HiResLog:
    """Half an hour of vehicles that pass the far zone, wait at the stop line, and leave on green."""
    bench = Virtual()
    dice = random.Random(7)
    near, served = set[int](), dict.fromkeys(PHASES, 0)
    for second in range(SECONDS):
        far = {phase for phase in PHASES if dice.random() < 0.07}
        bench.readings = readings(bench, near, far, pressed=second % 300 == 20)
        bench.cabinet.set_readings(bench.readings)
        bench.run(10)
        near |= far
        for phase in PHASES:
            served[phase] = served[phase] + 1 if bench.greens & bits(phase) else 0
        near -= {phase for phase in near if served[phase] > 2}
    bench.assert_safe()
    return bench.cabinet.unit.log


def readings(bench: Virtual, near: set[int], far: set[int], *, pressed: bool) -> list[DetectorReading]:
    on = {f"{phase} near" for phase in near} | {f"{phase} far" for phase in far}
    on |= {"P4 button"} if pressed else set()
    return [DetectorReading(int(detector.name in on)) for detector in bench.plan.detectors]


def zones(kind: DetectorKind) -> dict[int, int]:
    """Phase by detector number."""
    plan = Virtual(settle=0).plan
    vehicle = [d for d in plan.detectors if d.kind is not DetectorKind.BUTTON]
    return {n: plan.groups[d.group].phase for n, d in enumerate(vehicle, start=1) if d.kind is kind}


@pytest.fixture(scope="module")
def computed(log: HiResLog, root: Path, tmp_path_factory: pytest.TempPathFactory, measures: Path) -> Any:
    folder = tmp_path_factory.mktemp("measures")
    log.write_csv(folder / "events.csv")
    with (folder / "detectors.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("DeviceId", "Phase", "Parameter", "Function"))
        for kind, function in ((DetectorKind.NEAR_ZONE, "Presence"), (DetectorKind.FAR_ZONE, "Advance")):
            rows.writerows((1, phase, number, function) for number, phase in zones(kind).items())
    command = [str(measures), str(root / "tests/hil/foreign_measures.py"), "events.csv", "detectors.csv"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def totals(rows: Any, key: str, value: str) -> dict[Any, int]:
    found: Counter[Any] = Counter()
    for row in rows:
        found[row[key]] += row[value]
    return dict(found)


def test_actuations_are_counted(log: HiResLog, computed: Any) -> None:
    ours = Counter(record.param for record in log.of(Code.DETECTOR_ON))
    assert totals(computed["actuations"], "Detector", "Total") == dict(ours)
    assert sum(ours.values()) > 400


def test_terminations_have_their_reason(log: HiResLog, computed: Any) -> None:
    for name, code in REASONS.items():
        ours = Counter(record.param for record in log.of(code))
        theirs = [row for row in computed["terminations"] if row["PerformanceMeasure"] == name]
        assert totals(theirs, "Phase", "Total") == dict(ours), name
    assert log.of(Code.GAP_OUT)


def test_arrivals_on_green_are_ours(log: HiResLog, computed: Any) -> None:
    """The share of far-zone arrivals that met a green, out of all that atspm counted."""
    advance = zones(DetectorKind.FAR_ZONE)
    green: set[int] = set()
    arrived, met = Counter[int](), Counter[int]()
    for record in sorted(
        log.of(Code.GREEN, Code.YELLOW, Code.DETECTOR_ON), key=lambda r: (r.time, r.code == 82)
    ):
        if record.code == Code.GREEN:
            green.add(record.param)
        elif record.code == Code.YELLOW:
            green.discard(record.param)
        elif phase := advance.get(record.param):
            arrived[phase] += 1
            met[phase] += phase in green
    theirs = totals(computed["arrival_on_green"], "Phase", "Total_Actuations")
    shares: defaultdict[int, float] = defaultdict(float)
    for row in computed["arrival_on_green"]:
        shares[row["Phase"]] += row["Percent_AOG"] * row["Total_Actuations"]
    assert set(theirs) == set(PHASES)
    for phase in PHASES:
        assert arrived[phase] - 3 <= theirs[phase] <= arrived[phase], "the first cycle is not whole"
        assert shares[phase] == pytest.approx(met[phase], abs=3.5)


def test_pedestrian_services_are_counted(log: HiResLog, computed: Any) -> None:
    walks = Counter(record.param for record in log.of(Code.WALK))
    theirs = {p: n for p, n in totals(computed["ped"], "Phase", "PedServices").items() if n}
    assert theirs == dict(walks) and walks[4] >= 4


def test_greens_and_clearances_have_their_lengths(log: HiResLog, computed: Any) -> None:
    """Every interval of the log, from its own begin and end events."""
    for name, begin, end in (
        ("Green", Code.GREEN, Code.GREEN_END),
        ("Yellow", Code.YELLOW, Code.YELLOW_END),
        ("Red", Code.RED_CLEAR, Code.RED_CLEAR_END),
    ):
        theirs = [row for row in computed["timeline"] if row["EventClass"] == name and row["IsValid"]]
        ours = intervals(log, begin, end)
        found = sorted((row["EventValue"], round(10 * row["Duration"])) for row in theirs)
        assert found == sorted(ours) and len(ours) > 100, name


def test_waits_and_split_failures_come_out_for_every_phase(computed: Any) -> None:
    for name in ("phase_wait", "split_failures"):
        assert {row["Phase"] for row in computed[name]} == set(PHASES), name
    waits = [row["AvgPhaseWait"] for row in computed["phase_wait"]]
    assert min(waits) > 0 and max(waits) < 120


def intervals(log: HiResLog, begin: Code, end: Code) -> list[tuple[int, int]]:
    """Phase and length in tenths."""
    since: dict[int, int] = {}
    found: list[tuple[int, int]] = []
    for record in sorted(log.of(begin, end), key=lambda record: (record.time, record.code == begin)):
        if record.code == begin:
            since[record.param] = record.time
        elif record.param in since:
            found.append((record.param, record.time - since.pop(record.param)))
    return found
