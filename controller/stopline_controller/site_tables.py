"""The tables of a site file, entry by entry; `site.py` reads and cross-checks them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from stopline_controller.arbiter import stack_problem
from stopline_controller.sources import DEFAULT_STACK, Source


class Table(BaseModel):
    """A table that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _whole_stack(order: tuple[Source, ...]) -> tuple[Source, ...]:
    problem = stack_problem(order)
    if problem:
        raise ValueError(problem)
    return order


Seconds = Annotated[float, Field(gt=0, le=86_400)]
Stack = Annotated[tuple[Source, ...], AfterValidator(_whole_stack)]


class TlsTable(Table):
    """`[controller.tls]`: mutual TLS; PEM files, relative to the site file."""

    certificate: Path
    """This controller's certificate chain."""
    key: Path
    """Its private key."""
    client_ca: Path
    """Authority that signs the certificates of clients."""


class ControllerTable(Table):
    """`[controller]`: the process."""

    name: str = "controller"
    """Name in logs."""
    listen: str = "127.0.0.1:50061"
    """host:port of the gRPC services; port 0 takes a free one and reports it."""
    insecure: bool = False
    """Serve without TLS; only possible on a loopback address."""
    tls: TlsTable | None = None
    clock_rate: Annotated[float, Field(ge=1, le=100)] = 1.0
    """Speed of the clock; over 1 only with every address on loopback."""
    drain_s: Annotated[float, Field(ge=0, le=60)] = 0.0
    """Real seconds between reporting unhealthy and handing back, for clients that look at health."""
    state_dir: Path = Path("state")
    """Directory of the audit log and status files, relative to the site file."""


class ControlTable(Table):
    """`[control]`: the loop."""

    heartbeat_s: Annotated[float, Field(gt=0, le=5)] = 0.4
    """Seconds between heartbeats to a cabinet; well under its limit."""
    plan_ttl_s: Seconds | None = None
    """Seconds a plan holds at the cabinet; by default three decision intervals."""
    restart_delay_s: Seconds = 5.0
    """Seconds until a junction whose loop failed is tried again."""
    stack: Stack = DEFAULT_STACK
    """Sources, highest first."""
    real_time: bool = True
    """Ask the system to run the control thread before everything ordinary; goes on where that is refused."""


class PolicyTable(Table):
    """`[policy]`: what decides when nobody else does."""

    bundle: str = "shipped"
    """Path of a bundle, relative to the site file; "shipped" is the one that comes with Stopline, "none"
    leaves the junctions to their local plans and to operators."""
    trusted_keys: tuple[Path, ...] = ()
    """PEM files of public keys whose signature counts; by default the project's and the user's own."""
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.75
    """Share of healthy detectors below which the policy leaves a junction to its local plan."""
    shadow_decisions: Annotated[int, Field(ge=0)] = 0
    """How often another version must have decided in shadow before it may be activated."""


class DetectorsTable(Table):
    """`[detectors]`: when a detector is no longer believed; 0 means never."""

    no_activity_min: Annotated[float, Field(ge=0, le=10_080)] = 0.0
    """Minutes a zone may show no vehicle; longer than its quietest night."""
    max_presence_min: Annotated[float, Field(ge=0, le=1_440)] = 30.0
    """Minutes a detector may show the same vehicles without any change."""
    erratic_per_min: Annotated[int, Field(ge=0, le=600)] = 180
    """Times a minute a detector may become occupied."""


class RollbackTable(Table):
    """`[rollback]`: beyond which a policy is taken out of charge; the version before it takes over."""

    interventions: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of its latest 200 decisions that the guard changed, from 50 decisions on."""
    failures: Annotated[int, Field(ge=1, le=200)] = 3
    """Of its latest 200 decisions, how many it may fail to make (scores not finite) before it has to go."""
    batch_ms: Annotated[float, Field(gt=0)] = 25.0
    """Median time of its latest 50 batches of decisions, milliseconds."""
    delay: Annotated[float, Field(gt=0)] = 0.25
    """Share by which vehicles may stand longer than under the local plan at the same flow, estimated from the
    detectors; two seconds a vehicle are always allowed."""
    window_s: Annotated[float, Field(ge=60, le=3600)] = 300.0
    """Seconds of traffic that are one sample of that."""
    windows: Annotated[int, Field(ge=1, le=100)] = 6
    """Latest samples per junction that count, and the fewest needed."""


class OverridesTable(Table):
    """`[overrides]`: traffic-centre operators."""

    max_lease_s: Seconds = 300.0
    """Longest lease without renewal."""
    confirm_within_s: Seconds = 60.0
    """How long the second person has to confirm flash or all red."""


class LimitsTable(Table):
    """`[limits]`: what one caller may ask for; a burst of twice the rate is let through."""

    calls_per_s: Annotated[float, Field(gt=0)] = 100.0
    """Calls a second, decisions left out."""
    decisions_per_s: Annotated[float, Field(gt=0)] = 20_000.0
    """Decisions a second, single or streamed."""
    messages_per_s: Annotated[float, Field(gt=0)] = 2_000.0
    """Messages a second on a stream of vehicle reports."""
    streams: Annotated[int, Field(ge=1)] = 32
    """Streams open at once."""
    calls_at_once: Annotated[int, Field(ge=1)] = 1_000
    """Calls and streams of all callers together."""
    request_kib: Annotated[int, Field(ge=16, le=4096)] = 256
    """Largest request, KiB; the largest honest one is an observation of some kilobytes."""


class LogsTable(Table):
    """`[logs]`: how much is kept; counted, not dated, so that a clock that jumps removes nothing."""

    keep_records: Annotated[int, Field(ge=10_000)] = 5_000_000
    """Audit records, some 400 bytes each: a junction that decides every 5 s writes 17,000 a day."""
    keep_events: Annotated[int, Field(ge=10_000)] = 20_000_000
    """High-resolution events, some 30 bytes each: a junction makes 20,000 to 200,000 a day."""


class PriorityTable(Table):
    """`[priority]`: vehicles; times in seconds."""

    map: Path | None = None
    """Map of approaches (TOML, see `stopline network approaches`), relative to the site file: with it
    vehicles may report their position alone. Controllers of one town may share it."""

    report_timeout_s: Seconds = 8.0
    """Silence after which a vehicle's requests end."""
    margin_s: Annotated[float, Field(ge=0, le=60)] = 4.0
    """How long before the vehicle the green should be there."""
    max_presence_s: Seconds = 120.0
    """Longest time one vehicle may hold a junction."""
    max_report_age_s: Annotated[float, Field(ge=0, le=3_600)] = 5.0
    """Seconds by which a report's time of measurement may differ from this machine's clock; 0: not compared.
    A report that states none is not compared either."""
    reports_per_s: Annotated[float, Field(gt=0, le=1_000)] = 20.0
    """Reports a second of one vehicle; a burst of twice as many is let through."""
    recovery: bool = True
    """Whether who waited longest is asked for after an emergency vehicle, before the policy decides."""
    transit_late_s: Annotated[float, Field(ge=-7_200, le=7_200)] = 60.0
    """Seconds behind its timetable from which on a bus or tram is served."""
    transit_extension_s: Annotated[float, Field(ge=0, le=60)] = 10.0
    """Longest time a green is held for a bus or tram."""
    transit_early_s: Annotated[float, Field(ge=0, le=60)] = 10.0
    """By how much another green may be shorter for a bus or tram than the junction's program has it."""
    transit_kept_s: Annotated[float, Field(ge=0, le=120)] = 15.0
    """Green that others keep at a junction without a program."""
    transit_cooldown_s: Annotated[float, Field(ge=0, le=3_600)] = 120.0
    """After a bus or tram was served, how long none is at that junction."""


class V2xInboundTable(Table):
    """`[[v2x.inbound]]`: where vehicles come in by the broadcast map, and which group serves them there."""

    intersection: Annotated[int, Field(ge=0, le=65_535)]
    """Number of the intersection in the map."""
    region: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Its road authority; 0 = not stated."""
    lane: Annotated[int, Field(ge=0, le=255)] | None = None
    """One of lane, approach and connection."""
    approach: Annotated[int, Field(ge=0, le=15)] | None = None
    connection: Annotated[int, Field(ge=0, le=255)] | None = None
    junction: str
    """Our junction."""
    group: str
    """Its signal group, by name."""
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    """Of the stop line, degrees; with the longitude a vehicle's distance is known, and checked."""
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None

    @property
    def point(self) -> tuple[str, int]:
        """Which of the three it is, and its number; an empty name when it is not exactly one."""
        points = {"lane": self.lane, "approach": self.approach, "connection": self.connection}
        given = [(name, number) for name, number in points.items() if number is not None]
        return given[0] if len(given) == 1 else ("", 0)


class V2xTable(Table):
    """`[v2x]`: J2735 signal requests of a roadside unit that checked signatures; needs stopline[v2x]."""

    address: str = "127.0.0.1:4735"
    """host:port for datagrams, on loopback, or unix:path of a socket that only its owner may write to."""
    peers: Annotated[tuple[str, ...], Field(min_length=1)]
    """Whose frames are taken: the sender's own host:port, or the path of its socket."""
    role: Literal["dispatcher", "engineer"] = "dispatcher"
    """What the roadside unit is here, as a certificate would say."""
    name: str = "v2x"
    """What it is called in the audit log."""
    timestamp_required: bool = True
    """Whether a request must say its minute of the year; without it a replay on the minute is not noticed."""
    frames_per_s: Annotated[float, Field(gt=0, le=10_000)] = 200.0
    """Frames a second of one peer; a burst of twice as many is let through."""
    inbound: Annotated[tuple[V2xInboundTable, ...], Field(min_length=1)]


class MetricsTable(Table):
    """`[metrics]`: figures for Prometheus over plain HTTP; without the table there are none."""

    address: str = "127.0.0.1"
    """Local address; keep it on loopback, or on a network that only the monitoring reaches."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 9464
    """TCP port; 0 takes a free one and reports it."""


class TracingTable(Table):
    """`[tracing]`: OpenTelemetry spans; needs the extra stopline[otel], does nothing without it."""

    endpoint: str = "http://127.0.0.1:4318/v1/traces"
    """Where OTLP over HTTP is taken."""


class JunctionTable(Table):
    """`[[junction]]`: one junction and its cabinet."""

    id: str
    """The junction the plan is for."""
    plan: Path
    """Signal plan (TOML), relative to the site file."""
    cabinet: dict[str, Any]
    """`driver` and that driver's own entries."""
    emergency: Literal["holds", "preempt"] = "holds"
    """How an emergency vehicle gets its stage: asked for as any other, or by the cabinet's own preempt."""


class SiteTables(Table):
    """The whole site file."""

    controller: ControllerTable = ControllerTable()
    control: ControlTable = ControlTable()
    detectors: DetectorsTable = DetectorsTable()
    policy: PolicyTable = PolicyTable()
    rollback: RollbackTable = RollbackTable()
    overrides: OverridesTable = OverridesTable()
    priority: PriorityTable = PriorityTable()
    limits: LimitsTable = LimitsTable()
    logs: LogsTable = LogsTable()
    v2x: V2xTable | None = None
    metrics: MetricsTable | None = None
    tracing: TracingTable | None = None
    junction: Annotated[tuple[JunctionTable, ...], Field(min_length=1)]
