"""What a controller tells about a junction's policy, as lines and rows to print."""

from __future__ import annotations

from collections.abc import Iterator

from stopline.v1 import junction_pb2, plan_pb2


def full(found: junction_pb2.DescribeJunctionResponse) -> dict[str, object]:
    """All that is known, for programs."""
    from google.protobuf.json_format import MessageToDict

    table: dict[str, object] = MessageToDict(
        found, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return table


def summary(plan: plan_pb2.SignalPlan, found: junction_pb2.DescribeJunctionResponse) -> Iterator[str]:
    """The junction, its policy and the observation as a whole."""
    version = f"{found.policy} ({found.bundle_sha256[:12]})" if found.policy else "none"
    yield f"policy: {version}, encoder {found.encoder_version}"
    if not found.cabinet_online:
        yield "the cabinet does not answer"
    yield f"does not decide here: {found.withdrawn}" if found.withdrawn else "decides here"
    if not found.HasField("observation"):
        yield "no observation yet"
        return
    seen = found.observation
    yield f"observation: {seen.age_tenths / 10:.1f} s old, chose {_choice(plan, seen)}"
    yield f"detectors believed: {seen.coverage:.0%}, at least {found.least_coverage:.0%} are needed"
    recalled = [group.name for index, group in enumerate(plan.groups) if seen.recalled_groups >> index & 1]
    yield f"groups on recall: {', '.join(recalled) or 'none'}"
    ends = [f"{figure.figure} of {figure.owner}" for figure in seen.saturated]
    yield f"figures at their end: {', '.join(ends) or 'none'}"


def detector_rows(plan: plan_pb2.SignalPlan, seen: junction_pb2.PolicyObservation) -> list[dict[str, object]]:
    """One row for each detector."""
    return [
        {
            "detector": found.name,
            "group": plan.groups[detector.group].name,
            "vehicles": found.reading.vehicles,
            "queued": found.reading.queued,
            "seen_by_the_policy": found.reading.healthy,
            "fault_now": found.fault,
        }
        for detector, found in zip(plan.detectors, seen.detectors, strict=True)
    ]


def _choice(plan: plan_pb2.SignalPlan, seen: junction_pb2.PolicyObservation) -> str:
    if not seen.decided:
        return "nothing"
    return plan.stages[seen.stage].name if seen.stage >= 0 else "the present stage"
