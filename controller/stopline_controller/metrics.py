"""Figures for Prometheus: made when somebody asks for them, so that control only ever counts.

Names follow Prometheus: base units, `_total` for counters. Everything is about this process.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import cast

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from stopline_controller.assembly import Controller
from stopline_controller.detector_health import Fault
from stopline_controller.link import LinkState
from stopline_controller.site_tables import MetricsTable
from stopline_controller.sources import Source
from stopline_controller.statistics import BOUNDS_MS, Latency
from stopline_signals.errors import SiteError

_Row = tuple[dict[str, str], float]
"""Labels and value."""


class _Samples:
    """Samples made while they are written: those of thousands of junctions are never there all at once.

    Whoever looks for garbage meanwhile would have to look through all that are.
    """

    def __init__(self, name: str, rows: Callable[[], Iterator[_Row]]) -> None:
        self._name = name
        self._rows = rows

    def __iter__(self) -> Iterator[Sample]:
        return (Sample(self._name, labels, value) for labels, value in self._rows())


class _Many(Metric):
    """A figure of every junction."""

    def __init__(self, name: str, text: str, kind: str, rows: Callable[[], Iterator[_Row]]) -> None:
        super().__init__(name, text, kind)
        of_samples = f"{name}_total" if kind == "counter" else name
        # The library only iterates.
        self.samples = cast("list[Sample]", _Samples(of_samples, rows))


class ControllerCollector(Collector):
    """Reads a controller's counters; called in the thread of the metrics server."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: asking for the figures is cheap."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All figures now."""
        yield from self._loop()
        yield from self._cabinets()
        yield from self._junctions()
        yield from self._process()

    def _loop(self) -> Iterator[Metric]:
        found = self._controller.statistics
        yield _counter("stopline_ticks", "Ticks of all junctions.", found.ticks)
        yield _counter("stopline_late_ticks", "Ticks over a period late, or left out.", found.late_ticks)
        yield _counter("stopline_decisions", "Decisions in the audit log.", found.decisions_audited)
        plans = CounterMetricFamily("stopline_plans", "Plans sent to cabinets.", labels=["result"])
        plans.add_metric(["accepted"], found.plans_accepted)
        plans.add_metric(["refused"], found.plans_refused)
        yield plans
        changed = CounterMetricFamily(
            "stopline_guard_interventions", "Requests the guard changed.", labels=["source", "reason"]
        )
        for (source, reason), count in list(found.interventions.items()):
            changed.add_metric([str(source), str(reason)], count)
        yield changed
        yield _histogram("stopline_tick_lateness", "How late ticks began.", found.lateness)
        yield _histogram("stopline_tick_done", "From a slot's due time to its ticks done.", found.slot)
        yield _histogram("stopline_decision", "From the read-back to the guarded decision.", found.decision)
        yield _histogram("stopline_command", "From the decision to the cabinet's acceptance.", found.command)

    def _cabinets(self) -> Iterator[Metric]:
        found = self._controller.statistics
        trips = HistogramMetricFamily(
            "stopline_cabinet_round_trip_seconds", "To a cabinet and back.", labels=["operation"]
        )
        for operation, times in (("read", found.read), ("plan", found.write)):
            trips.add_metric([operation], _buckets(times), times.total / 1000)
        yield trips
        yield _Many("stopline_cabinet_link", "1 for the state of the link.", "gauge", self._links)

    def _junctions(self) -> Iterator[Metric]:
        yield _Many("stopline_source_in_force", "1 for the source that decides.", "gauge", self._sources)
        told = "Ticks in which the cabinet was still busy."
        yield _Many("stopline_missed_reads", told, "counter", self._missed)
        yield _Many("stopline_detectors_failed", "Detectors not believed.", "gauge", self._failed)

    def _links(self) -> Iterator[_Row]:
        for junction in self._controller.loop.junctions:
            for state in LinkState:
                yield {"junction": junction.name, "state": str(state)}, float(junction.link.state is state)

    def _sources(self) -> Iterator[_Row]:
        for junction in self._controller.loop.junctions:
            snapshot = self._controller.hub.latest.get(junction.name)
            winner = snapshot.ruling.winner.source if snapshot else None
            for source in Source:
                yield {"junction": junction.name, "source": str(source)}, float(source is winner)

    def _missed(self) -> Iterator[_Row]:
        for junction in self._controller.loop.junctions:
            yield {"junction": junction.name}, float(junction.late)

    def _failed(self) -> Iterator[_Row]:
        for junction in self._controller.loop.junctions:
            faults = junction.watch.faults
            for fault in Fault:
                yield {"junction": junction.name, "fault": str(fault)}, float(faults[fault])

    def _process(self) -> Iterator[Metric]:
        controller = self._controller
        # By name: a text may carry a figure that changes, and each would be a time series of its own.
        alarms = GaugeMetricFamily("stopline_alarm", "1 for an alarm of the process.", labels=["name"])
        for name in controller.alarms.names:
            alarms.add_metric([name], 1)
        yield alarms
        yield GaugeMetricFamily(
            "stopline_audit_failing",
            "1 while the disk refuses audit records.",
            float(controller.audit.failing),
        )
        yield _counter("stopline_audit_records", "Sequence number of the last one.", controller.audit.last)
        reports, calls = controller.reports.refusals.refused, controller.refusals.refused
        yield _counter("stopline_reports_refused", "Vehicle reports that counted for nothing.", reports)
        yield _counter("stopline_calls_refused", "Calls refused by role or rate.", calls)
        yield _histogram(
            "stopline_collection_pause", "Pauses by garbage collections.", controller.statistics.pause
        )
        facts = controller.policies.facts
        if facts is not None:
            known = {"name": facts.name, "sha256": facts.bundle_sha256}
            yield InfoMetricFamily("stopline_policy", "The policy in charge.", known)


@contextmanager
def metrics_server(controller: Controller, table: MetricsTable) -> Generator[str]:
    """Serve the figures while inside; gives the address. SiteError: it is taken."""
    registry = CollectorRegistry()
    registry.register(ControllerCollector(controller))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    where = f"{table.address}:{table.port}"
    try:
        server, thread = start_http_server(table.port, table.address, registry)
    except OSError as error:
        raise SiteError(
            f"{controller.site.path}: cannot serve metrics on {where}; is another controller there? ({error})"
        ) from error
    try:
        yield f"{table.address}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value)


def _histogram(name: str, text: str, times: Latency) -> Metric:
    return HistogramMetricFamily(f"{name}_seconds", text, _buckets(times), times.total / 1000)


def _buckets(times: Latency) -> list[tuple[str, float]]:
    """Cumulative counts by upper bound in seconds."""
    made: list[tuple[str, float]] = []
    so_far = 0
    for bound, count in zip((*BOUNDS_MS, float("inf")), list(times.buckets), strict=True):
        so_far += count
        made.append(("+Inf" if bound == float("inf") else repr(bound / 1000), so_far))
    return made
