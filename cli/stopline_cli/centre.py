"""The operators' calls to a controller."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from stopline.v1 import (
    junction_pb2,
    junction_pb2_grpc,
    override_pb2,
    override_pb2_grpc,
    plan_pb2,
    state_pb2,
)
from stopline_cli.client import CentreError, Client
from stopline_cli.connection import Connection


class Centre(Client):
    """Looks at junctions and overrides them; every refusal is a CentreError."""

    def __init__(self, connection: Connection | str) -> None:
        """A bare address is a plaintext connection."""
        super().__init__(connection)
        self._junctions = junction_pb2_grpc.JunctionServiceStub(self._channel)
        self._overrides = override_pb2_grpc.OverrideServiceStub(self._channel)

    def stage_index(self, junction: str, stage: str | None) -> int:
        """The index of a stage given by name or number."""
        names = [found.name for found in self.plan(junction).stages]
        if stage in names:
            return names.index(stage)
        if stage is not None and stage.isdecimal() and int(stage) < len(names):
            return int(stage)
        listed = ", ".join(f"{index} {name}" for index, name in enumerate(names))
        raise CentreError(f"junction {junction} has no stage {stage!r}; it has: {listed}")

    def plan(self, junction: str) -> plan_pb2.SignalPlan:
        """The signal plan of a junction."""
        return self._junctions.GetPlan(junction_pb2.GetPlanRequest(junction_id=junction)).plan

    def describe(self, junction: str) -> junction_pb2.DescribeJunctionResponse:
        """What its policy last decided on."""
        return self._junctions.DescribeJunction(junction_pb2.DescribeJunctionRequest(junction_id=junction))

    def preview(self, junction: str, stage: int) -> dict[str, object]:
        """What the guard would say."""
        answer = self._junctions.Preview(junction_pb2.PreviewRequest(junction_id=junction, stage=stage))
        return {
            "allowed_now": answer.allowed,
            "reason": answer.reason,
            "earliest_s": answer.earliest_tenths / 10,
            "transition_s": answer.transition_tenths / 10,
            "source_in_force": _source(answer.blocking_source),
        }

    def acquire(
        self,
        junction: str,
        operator: str,
        ttl: float,
        reason: str,
        priority: int,
        groups: Sequence[str] = (),
    ) -> override_pb2.Lease:
        """Take the lease of a junction, or of some of its groups."""
        request = override_pb2.AcquireLeaseRequest(
            junction_id=junction,
            operator=operator,
            ttl_s=ttl,
            reason=reason,
            priority=priority,
            groups=groups,
        )
        return self._overrides.AcquireLease(request).lease

    def override(self, lease: override_pb2.Lease, stage: int | None) -> dict[str, object]:
        """Hold (`stage` None) or go to a stage."""

        def fill(request: override_pb2.OverrideRequest) -> None:
            if stage is None:
                request.hold.SetInParent()
            else:
                request.go_to_stage.stage = stage

        return self.place(lease, fill)

    def place(
        self,
        lease: override_pb2.Lease,
        fill: Callable[[override_pb2.OverrideRequest], None],
        *,
        not_after: float = 0.0,
        dry_run: bool = False,
    ) -> dict[str, object]:
        """Place the override that `fill` states."""
        request = override_pb2.OverrideRequest(
            lease_id=lease.lease_id,
            fencing_token=lease.fencing_token,
            idempotency_key=secrets.token_hex(8),
            not_after_s=not_after,
            dry_run=dry_run,
        )
        fill(request)
        return answer_row(self._overrides.Override(request))

    def confirm(self, confirmation: str, operator: str) -> dict[str, object]:
        """Say the second person's word."""
        request = override_pb2.ConfirmOverrideRequest(confirmation_id=confirmation, operator=operator)
        return answer_row(self._overrides.ConfirmOverride(request).answer)

    def leases(self, junction: str) -> list[override_pb2.Lease]:
        """The leases in force at a junction (empty: everywhere)."""
        request = override_pb2.ListLeasesRequest(junction_id=junction)
        return list(self._overrides.ListLeases(request).leases)

    def release(self, lease: override_pb2.Lease) -> None:
        """Hand the junction back."""
        self._overrides.ReleaseLease(
            override_pb2.ReleaseLeaseRequest(lease_id=lease.lease_id, fencing_token=lease.fencing_token)
        )


def answer_row(answer: override_pb2.OverrideResponse) -> dict[str, object]:
    """An answer as a row to print."""
    row: dict[str, object] = {
        "status": override_pb2.OverrideStatus.Name(answer.status).removeprefix("OVERRIDE_STATUS_"),
        "reason": answer.reason,
        "blocking_source": _source(answer.blocking_source),
        "earliest_s": answer.earliest_tenths / 10,
        "audit_sequence": answer.audit_sequence,
    }
    if answer.confirmation_id:
        row |= {"confirmation": answer.confirmation_id, "within_s": answer.confirm_within_s}
    return row


def _source(source: state_pb2.Source.ValueType) -> str:
    return state_pb2.Source.Name(source).removeprefix("SOURCE_").lower().replace("unspecified", "")
