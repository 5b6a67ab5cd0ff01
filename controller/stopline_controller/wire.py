"""Between the controller's own words and the messages of `stopline.v1`: the one place that knows both."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from stopline.v1 import junction_pb2, override_pb2, plan_pb2, priority_pb2, state_pb2
from stopline_cabinets.words import DARK, Can, Kind, Mode
from stopline_controller.arbiter import Standing
from stopline_controller.desk import Request
from stopline_controller.identity import Role
from stopline_controller.insight import Insight, Observed
from stopline_controller.leases import Lease
from stopline_controller.overrides import Answer, Status, Verb
from stopline_controller.snapshots import Snapshot
from stopline_controller.sources import CABINET_DECIDES, Source
from stopline_signals.engine import KEEP
from stopline_signals.matching import Placed
from stopline_signals.plan import DetectorKind, GroupKind, SignalPlan
from stopline_signals.priority import Ahead, Progress, State, VehicleClass, VehicleReport
from stopline_signals.vehicles import Fix, RouteStop

SOURCES = {
    Source.CABINET: state_pb2.SOURCE_CABINET,
    Source.RAIL: state_pb2.SOURCE_RAIL,
    Source.EMERGENCY: state_pb2.SOURCE_EMERGENCY,
    Source.CENTRE: state_pb2.SOURCE_CENTRE,
    Source.TRANSIT: state_pb2.SOURCE_TRANSIT,
    Source.POLICY: state_pb2.SOURCE_POLICY,
    Source.LOCAL: state_pb2.SOURCE_LOCAL,
}
MODES = {
    Mode.STARTUP: state_pb2.CABINET_MODE_STARTUP,
    Mode.LOCAL: state_pb2.CABINET_MODE_LOCAL,
    Mode.REMOTE: state_pb2.CABINET_MODE_REMOTE,
    Mode.MANUAL: state_pb2.CABINET_MODE_MANUAL,
    Mode.FLASH: state_pb2.CABINET_MODE_FLASH,
    Mode.PREEMPT: state_pb2.CABINET_MODE_PREEMPT,
}
ASPECTS = (
    state_pb2.ASPECT_RED,
    state_pb2.ASPECT_YELLOW,
    state_pb2.ASPECT_PERMISSIVE,
    state_pb2.ASPECT_GREEN,
)
STATUSES = {
    Status.ACCEPTED: override_pb2.OVERRIDE_STATUS_ACCEPTED,
    Status.QUEUED: override_pb2.OVERRIDE_STATUS_QUEUED,
    Status.PENDING_SAFE_POINT: override_pb2.OVERRIDE_STATUS_PENDING_SAFE_POINT,
    Status.REJECTED: override_pb2.OVERRIDE_STATUS_REJECTED,
    Status.PENDING_CONFIRMATION: override_pb2.OVERRIDE_STATUS_PENDING_CONFIRMATION,
}
ORDERS = {
    Kind.STAGES: state_pb2.ORDER_KIND_STAGE,
    Kind.ALL_RED: state_pb2.ORDER_KIND_ALL_RED,
    Kind.FLASH: state_pb2.ORDER_KIND_FLASH,
    Kind.PATTERN: state_pb2.ORDER_KIND_PATTERN,
}
ABILITIES = {
    Can.ALL_RED: state_pb2.CABINET_ABILITY_ALL_RED,
    Can.FLASH: state_pb2.CABINET_ABILITY_FLASH,
    Can.PATTERN: state_pb2.CABINET_ABILITY_PATTERN,
    Can.CALL: state_pb2.CABINET_ABILITY_CALL,
    Can.OMIT: state_pb2.CABINET_ABILITY_OMIT,
}
ROLES = {
    Role.VIEWER: override_pb2.ROLE_VIEWER,
    Role.DISPATCHER: override_pb2.ROLE_DISPATCHER,
    Role.OPERATOR: override_pb2.ROLE_OPERATOR,
    Role.SUPERVISOR: override_pb2.ROLE_SUPERVISOR,
    Role.ENGINEER: override_pb2.ROLE_ENGINEER,
}
PRIORITY_STATES = {
    State.WAITING: priority_pb2.PRIORITY_STATE_WAITING,
    State.PENDING_SAFE_POINT: priority_pb2.PRIORITY_STATE_PENDING_SAFE_POINT,
    State.QUEUED: priority_pb2.PRIORITY_STATE_QUEUED,
    State.GRANTED: priority_pb2.PRIORITY_STATE_GRANTED,
    State.GREEN: priority_pb2.PRIORITY_STATE_GREEN,
    State.REJECTED: priority_pb2.PRIORITY_STATE_REJECTED,
    State.COMPLETED: priority_pb2.PRIORITY_STATE_COMPLETED,
    State.COOLDOWN: priority_pb2.PRIORITY_STATE_COOLDOWN,
    State.STALE: priority_pb2.PRIORITY_STATE_STALE,
}
VEHICLE_CLASSES = {
    priority_pb2.VEHICLE_CLASS_FIRE: VehicleClass.FIRE,
    priority_pb2.VEHICLE_CLASS_AMBULANCE: VehicleClass.AMBULANCE,
    priority_pb2.VEHICLE_CLASS_POLICE: VehicleClass.POLICE,
    priority_pb2.VEHICLE_CLASS_TRANSIT: VehicleClass.TRANSIT,
}
GROUP_KINDS = {
    GroupKind.VEHICLE: plan_pb2.GROUP_KIND_VEHICLE,
    GroupKind.PEDESTRIAN: plan_pb2.GROUP_KIND_PEDESTRIAN,
    GroupKind.CYCLIST: plan_pb2.GROUP_KIND_CYCLIST,
    GroupKind.TRANSIT: plan_pb2.GROUP_KIND_TRANSIT,
}
DETECTOR_KINDS = {
    DetectorKind.NEAR_ZONE: plan_pb2.DETECTOR_KIND_NEAR_ZONE,
    DetectorKind.FAR_ZONE: plan_pb2.DETECTOR_KIND_FAR_ZONE,
    DetectorKind.BUTTON: plan_pb2.DETECTOR_KIND_BUTTON,
}


def timestamp(wall_us: int) -> Timestamp:
    """Microseconds since 1970 UTC as a message."""
    return Timestamp(seconds=wall_us // 1_000_000, nanos=wall_us % 1_000_000 * 1000)


def plan_message(plan: SignalPlan) -> plan_pb2.SignalPlan:
    """A signal plan."""
    return plan_pb2.SignalPlan(
        junction_id=plan.junction,
        groups=[
            plan_pb2.SignalGroup(
                name=group.name,
                kind=GROUP_KINDS[group.kind],
                approach=group.approach,
                minimum_tenths=group.minimum,
                max_green_tenths=group.max_green,
                max_red_tenths=group.max_red,
                change_tenths=group.change,
            )
            for group in plan.groups
        ],
        stages=[
            plan_pb2.Stage(
                name=stage.name, protected_groups=stage.protected, permissive_groups=stage.permissive
            )
            for stage in plan.stages
        ],
        intergreen=[plan_pb2.IntergreenRow(tenths=row) for row in plan.intergreen],
        detectors=[
            plan_pb2.Detector(
                name=detector.name,
                kind=DETECTOR_KINDS[detector.kind],
                group=detector.group,
                start_m=detector.start_m,
                end_m=detector.end_m,
                capacity=detector.capacity,
            )
            for detector in plan.detectors
        ],
        digest=plan.digest(),
    )


def state_message(snapshot: Snapshot) -> state_pb2.JunctionState:
    """A junction's state."""
    seen, now, winner = snapshot.seen, snapshot.now, snapshot.ruling.winner
    message = state_pb2.JunctionState(
        junction_id=snapshot.junction,
        sequence=snapshot.sequence,
        time_tenths=snapshot.tenths,
        wall_time=timestamp(snapshot.wall_us),
        cabinet_online=snapshot.online,
        stage=KEEP,
        source=SOURCES[winner.source],
        reason=winner.reason,
        commanded_stage=snapshot.commanded,
        alarms=snapshot.alarms,
        late_ticks=snapshot.late_ticks,
        stack=[_source_message(standing) for standing in snapshot.ruling.stack],
        earliest_any_change_tenths=-1,
        called_groups=snapshot.wishes.calls,
        omitted_groups=snapshot.wishes.omits,
        held_groups=snapshot.wishes.holds,
    )
    if snapshot.verdict and snapshot.verdict.reason:
        message.guard_reason = str(snapshot.verdict.reason)
    if seen is None or now is None:
        return message
    engine, state = now.engine, now.state
    message.cabinet_mode = MODES[seen.mode]
    message.stage = seen.stage
    message.in_transition = seen.in_transition
    message.allowed_stages = snapshot.allowed
    message.active_plan_sequence = seen.active_seq
    message.aspects.extend(
        state_pb2.ASPECT_UNSPECIFIED if aspect == DARK else ASPECTS[aspect] for aspect in seen.aspects
    )
    message.earliest_change_tenths.extend(
        engine.earliest(state, stage) - state.now for stage in range(len(engine.plan.stages))
    )
    others = [stage for stage in range(len(engine.plan.stages)) if stage != state.stage]
    if others and seen.mode in (Mode.LOCAL, Mode.REMOTE):
        message.earliest_any_change_tenths = min(message.earliest_change_tenths[stage] for stage in others)
    message.flashing = seen.flash
    message.abilities.extend(ability for can, ability in ABILITIES.items() if can in seen.can)
    for reading in seen.readings:
        message.readings.add(vehicles=reading.vehicles, queued=reading.queued, healthy=reading.healthy)
    return message


def _source_message(standing: Standing) -> state_pb2.SourceState:
    proposal = standing.proposal
    asks = standing.active and proposal.source not in CABINET_DECIDES
    return state_pb2.SourceState(
        source=SOURCES[proposal.source],
        active=standing.active,
        in_force=standing.in_force,
        stage=proposal.stage,
        reason=proposal.reason,
        holder=proposal.holder,
        order=ORDERS[proposal.kind] if asks else state_pb2.ORDER_KIND_UNSPECIFIED,
    )


def insight_message(
    plan: SignalPlan, insight: Insight, online: bool
) -> junction_pb2.DescribeJunctionResponse:
    """What a junction's policy decided on."""
    facts = insight.facts
    return junction_pb2.DescribeJunctionResponse(
        junction_id=plan.junction,
        cabinet_online=online,
        policy=facts.name if facts else "",
        bundle_sha256=facts.bundle_sha256 if facts else "",
        encoder_version=insight.encoder_version,
        least_coverage=insight.least_coverage,
        withdrawn=insight.withdrawn,
        observation=_observation_message(plan, insight, insight.observed) if insight.observed else None,
    )


def _observation_message(
    plan: SignalPlan, insight: Insight, observed: Observed
) -> junction_pb2.PolicyObservation:
    # A cabinet that was met a moment ago may have no judgement on its detectors yet.
    faults = insight.faults or (None,) * len(plan.detectors)
    return junction_pb2.PolicyObservation(
        age_tenths=observed.age,
        stage=KEEP if observed.stage is None else observed.stage,
        decided=observed.stage is not None,
        allowed_stages=observed.allowed,
        coverage=observed.coverage,
        detectors=[
            junction_pb2.ObservedDetector(
                name=detector.name,
                reading=state_pb2.DetectorReading(
                    vehicles=reading.vehicles, queued=reading.queued, healthy=reading.healthy
                ),
                fault=str(fault or ""),
            )
            for detector, reading, fault in zip(plan.detectors, observed.readings, faults, strict=True)
        ],
        recalled_groups=observed.recalled,
        saturated=[
            junction_pb2.SaturatedFigure(owner=found.owner, figure=found.feature)
            for found in observed.saturated
        ],
    )


def summary_message(snapshot: Snapshot, digest: str) -> junction_pb2.JunctionSummary:
    """One line of the list of junctions."""
    return junction_pb2.JunctionSummary(
        junction_id=snapshot.junction,
        cabinet_online=snapshot.online,
        cabinet_mode=MODES[snapshot.seen.mode] if snapshot.seen else state_pb2.CABINET_MODE_UNSPECIFIED,
        source=SOURCES[snapshot.ruling.winner.source],
        stage=snapshot.seen.stage if snapshot.seen else KEEP,
        plan_digest=digest,
    )


def lease_message(lease: Lease, now: float, plan: SignalPlan) -> override_pb2.Lease:
    """A lease; `now` in seconds of the controller's clock, `plan` its junction's."""
    return override_pb2.Lease(
        lease_id=lease.lease_id,
        junction_id=lease.junction,
        fencing_token=lease.token,
        operator=lease.operator,
        priority=lease.priority,
        remaining_s=max(lease.expires - now, 0.0),
        reason=lease.reason,
        groups=[group.name for index, group in enumerate(plan.groups) if lease.groups >> index & 1],
        role=ROLES[lease.role],
    )


def answer_message(answer: Answer) -> override_pb2.OverrideResponse:
    """The answer to an override."""
    return override_pb2.OverrideResponse(
        status=STATUSES[answer.status],
        reason=answer.reason,
        blocking_source=SOURCES[answer.blocking] if answer.blocking else state_pb2.SOURCE_UNSPECIFIED,
        earliest_tenths=answer.earliest,
        audit_sequence=answer.audit_sequence,
        confirmation_id=answer.confirmation,
        confirm_within_s=answer.confirm_within,
    )


def request_from(message: override_pb2.OverrideRequest) -> Request | None:
    """An override as the desk takes it; None when no verb is stated."""
    which = message.WhichOneof("verb")
    if which is None:
        return None
    groups = {"omit": message.omit.groups, "call": message.call.groups}.get(which, ())
    return Request(
        message.lease_id,
        message.fencing_token,
        Verb(which),
        message.go_to_stage.stage if which == "go_to_stage" else KEEP,
        tuple(groups),
        message.select_plan.pattern,
        message.idempotency_key,
        message.sequence,
        message.not_after_s,
        message.dry_run,
    )


def report_from(message: priority_pb2.ReportRequest) -> VehicleReport:
    """A vehicle's report; KeyError for a class that is not stated."""
    return VehicleReport(
        vehicle=message.vehicle_id,
        kind=VEHICLE_CLASSES[message.vehicle_class],
        sequence=message.sequence,
        speed_mps=message.speed_mps,
        desired_mps=message.desired_speed_mps,
        ahead=tuple(
            Ahead(ahead.junction_id, ahead.group, ahead.approach, ahead.distance_m, ahead.eta_s)
            for ahead in message.upcoming
        ),
        cancel=message.cancel,
        late_s=message.late_s,
        position=_fix(message),
        route=tuple(RouteStop(stop.junction_id, stop.group) for stop in message.route),
        incident=message.incident,
    )


def _fix(message: priority_pb2.ReportRequest) -> Fix | None:
    if not message.HasField("position"):
        return None
    found = message.position
    heading = found.heading_deg if found.HasField("heading_deg") else None
    return Fix(found.latitude_deg, found.longitude_deg, heading, found.accuracy_m)


def measured_at(message: priority_pb2.ReportRequest) -> float | None:
    """When a report was measured, in seconds since 1970 UTC; None when it does not say."""
    if not message.HasField("measured_at"):
        return None
    return message.measured_at.seconds + message.measured_at.nanos / 1e9


def matched_message(placed: Placed) -> priority_pb2.MatchedPosition:
    """What became of a vehicle's position."""
    return priority_pb2.MatchedPosition(
        approach=placed.approach,
        distance_m=placed.distance_m,
        beside_m=placed.beside_m,
        predicted=placed.predicted,
        reason=placed.reason,
    )


def progress_message(progress: Progress) -> priority_pb2.JunctionPriority:
    """A vehicle's status at one junction."""
    return priority_pb2.JunctionPriority(
        junction_id=progress.junction,
        state=PRIORITY_STATES[progress.state],
        stage=progress.stage,
        eta_s=progress.eta_s,
        start_in_s=progress.start_in_s,
        reason=progress.reason,
        green_in_s=progress.green_in_s,
    )
