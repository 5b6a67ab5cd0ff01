"""Metrics over HTTP: the names a dashboard is built on, values that are those of the controller."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from stopline_controller.assembly import assemble
from stopline_controller.metrics import ControllerCollector, metrics_server
from stopline_controller.site import read_site
from stopline_controller.site_tables import MetricsTable
from stopline_controller.sources import Source
from stopline_controller.statistics import Latency
from stopline_signals.errors import SiteError
from tests.controller.bench import ServeProcess, until
from tests.controller.sites import write_site

Samples = dict[str, list[tuple[dict[str, str], float]]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    cabinets = {"A": 'driver = "memory"', "B": 'driver = "memory"'}
    folder = tmp_path_factory.mktemp("site")
    extra = "[metrics]\nport = 0"
    with ServeProcess(write_site(folder, cabinets, controller="clock_rate = 10", extra=extra)) as running:
        yield running


def scrape(server: ServeProcess) -> Samples:
    address = json.loads((server.state / "serving.json").read_text())["metrics"]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_they_are_on_loopback_unless_told_otherwise(server: ServeProcess) -> None:
    address = json.loads((server.state / "serving.json").read_text())["metrics"]
    assert address.startswith("127.0.0.1:")
    assert MetricsTable().address == "127.0.0.1"


def test_every_promised_figure_is_there(server: ServeProcess) -> None:
    until(lambda: scrape(server)["stopline_decisions_total"][0][1] > 3, 15, "decisions")
    found = scrape(server)
    for name in (
        "stopline_decision_seconds_bucket",
        "stopline_tick_lateness_seconds_bucket",
        "stopline_tick_done_seconds_bucket",
        "stopline_command_seconds_bucket",
        "stopline_cabinet_round_trip_seconds_bucket",
        "stopline_source_in_force",
        "stopline_detectors_failed",
        "stopline_cabinet_link",
        "stopline_audit_records_total",
        "stopline_reports_refused_total",
        "stopline_calls_refused_total",
        "stopline_collection_pause_seconds_count",
        "stopline_policy_info",
        "process_resident_memory_bytes",
    ):
        assert found.get(name), name
    ticks = found["stopline_ticks_total"][0][1]
    assert scrape(server)["stopline_ticks_total"][0][1] >= ticks > 20


def test_exactly_one_source_is_in_force_at_each_junction(server: ServeProcess) -> None:
    def in_force() -> dict[str, float]:
        rows = scrape(server).get("stopline_source_in_force", [])
        assert not rows or {labels["source"] for labels, _ in rows} == set(Source)
        junctions = {labels["junction"] for labels, _ in rows}
        return {j: sum(value for labels, value in rows if labels["junction"] == j) for j in junctions}

    # Before its first tick nobody decides at a junction.
    until(lambda: in_force() == {"A": 1, "B": 1}, 10, "a first tick at both junctions")
    assert all(in_force() == {"A": 1, "B": 1} for _ in range(5))


def test_histograms_are_cumulative_and_end_with_the_count(server: ServeProcess) -> None:
    found = scrape(server)
    values = [value for _, value in found["stopline_tick_lateness_seconds_bucket"]]
    assert values == sorted(values)
    # The end of the buckets and the count are made from one look at the counters.
    assert values[-1] == found["stopline_tick_lateness_seconds_count"][0][1] > 0


def test_a_latency_counts_in_the_bucket_it_belongs_to() -> None:
    times = Latency()
    for value in (0.05, 0.051, 1e9):
        times.add(value)
    assert (times.buckets[0], times.buckets[1], times.buckets[-1], times.count) == (1, 1, 1, 3)
    assert times.percentile(0.5) == 0.051


def test_interventions_alarms_and_detectors_are_told_with_their_reasons(tmp_path: Path) -> None:
    controller = assemble(read_site(write_site(tmp_path)))
    controller.statistics.interventions[Source.POLICY, "minimum green or walk not over"] = 2
    controller.alarms.set("disk", "only 12 MiB are free")
    with metrics_server(controller, MetricsTable(port=0)) as address:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        controller.alarms.set("disk", "only 11 MiB are free")
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            later = answer.read().decode()
        taken = int(address.rpartition(":")[2])
        with (
            pytest.raises(SiteError, match="cannot serve metrics"),
            metrics_server(controller, MetricsTable(port=taken)),
        ):
            pass
    controller.close()
    wanted = 'stopline_guard_interventions_total{reason="minimum green or walk not over",source="policy"} 2.0'
    assert wanted in text
    told = [
        [line for line in page.splitlines() if line.startswith("stopline_alarm")] for page in (text, later)
    ]
    assert told == [['stopline_alarm{name="disk"} 1.0']] * 2, "one series, whatever its text says"
    assert controller.alarms.texts == ("only 11 MiB are free",)


def test_samples_of_junctions_are_never_there_all_at_once(tmp_path: Path) -> None:
    cabinets = {f"J{number}": 'driver = "memory"' for number in range(20)}
    controller = assemble(read_site(write_site(tmp_path, cabinets)))
    written, most, families = 0, 0, 0
    for metric in ControllerCollector(controller).collect():
        families += 1
        for number, _ in enumerate(metric.samples):
            written += 1
            if number % 10 == 9:
                most = max(most, sum(type(thing) is Sample for thing in gc.get_objects()))
    controller.close()
    # One family of the process as a whole at a time has its samples in a list; a histogram is the largest.
    assert written > 20 * 10 and families > 10 and most < 60
    assert {len(list(metric.samples)) for metric in ControllerCollector(controller).collect()} >= {
        20,
        60,
        140,
    }


def test_without_the_table_there_is_no_port_and_no_library(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from stopline_controller.lean import lean_process; lean_process()\n"
        "import stopline_controller.serve as serve\n"
        "from stopline_controller.site import read_site\n"
        f"serve.assemble(read_site(Path({str(write_site(tmp_path))!r}))).close()\n"
        "unwanted = {'prometheus_client', 'opentelemetry', 'pymodbus', 'pysnmp', 'rich', 'torch', 'sumo',"
        " 'libsumo', 'traci', 'gymnasium', 'matplotlib',"
        " 'stopline_envs', 'stopline_agents', 'stopline_hil'}\n"
        "sys.exit(', '.join(sorted(unwanted & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=_environment()
    )
    assert done.returncode == 0, done.stderr


def _environment() -> dict[str, str]:
    import os

    from tests.controller.bench import FOLDERS, ROOT

    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in FOLDERS)}
