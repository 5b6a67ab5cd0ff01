"""A small client of the controller, for commands that talk to one."""

from __future__ import annotations

import grpc

from stopline.v1 import junction_pb2, junction_pb2_grpc, override_pb2, override_pb2_grpc, state_pb2
from stopline_signals.errors import StoplineError


class CentreError(StoplineError):
    """The controller could not be reached, or refused; carries its words."""


class Centre:
    """Calls to one controller; every refusal is a CentreError."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._channel = grpc.insecure_channel(address)
        self._junctions = junction_pb2_grpc.JunctionServiceStub(self._channel)
        self._overrides = override_pb2_grpc.OverrideServiceStub(self._channel)

    def __enter__(self) -> Centre:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._channel.close()
        if isinstance(error, grpc.RpcError):
            raise self._explained(error) from error

    def stage_index(self, junction: str, stage: str | None) -> int:
        """The index of a stage given by name or number."""
        plan = self._junctions.GetPlan(junction_pb2.GetPlanRequest(junction_id=junction)).plan
        names = [found.name for found in plan.stages]
        if stage in names:
            return names.index(stage)
        if stage is not None and stage.isdecimal() and int(stage) < len(names):
            return int(stage)
        listed = ", ".join(f"{index} {name}" for index, name in enumerate(names))
        raise CentreError(f"junction {junction} has no stage {stage!r}; it has: {listed}")

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
        self, junction: str, operator: str, ttl: float, reason: str, priority: int
    ) -> override_pb2.Lease:
        """Take the lease of a junction."""
        request = override_pb2.AcquireLeaseRequest(
            junction_id=junction, operator=operator, ttl_s=ttl, reason=reason, priority=priority
        )
        return self._overrides.AcquireLease(request).lease

    def override(self, lease: override_pb2.Lease, stage: int | None) -> dict[str, object]:
        """Hold (`stage` None) or go to a stage."""
        request = override_pb2.OverrideRequest(lease_id=lease.lease_id, fencing_token=lease.fencing_token)
        if stage is None:
            request.hold.SetInParent()
        else:
            request.go_to_stage.stage = stage
        answer = self._overrides.Override(request)
        status = override_pb2.OverrideStatus.Name(answer.status).removeprefix("OVERRIDE_STATUS_")
        return {
            "status": status,
            "reason": answer.reason,
            "blocking_source": _source(answer.blocking_source),
            "earliest_s": answer.earliest_tenths / 10,
            "audit_sequence": answer.audit_sequence,
        }

    def release(self, lease: override_pb2.Lease) -> None:
        """Hand the junction back."""
        self._overrides.ReleaseLease(
            override_pb2.ReleaseLeaseRequest(lease_id=lease.lease_id, fencing_token=lease.fencing_token)
        )

    def _explained(self, error: grpc.RpcError) -> CentreError:
        code, details = getattr(error, "code", None), getattr(error, "details", None)
        if code is None or details is None:
            return CentreError(f"{self._address}: {error}")
        if code() is grpc.StatusCode.UNAVAILABLE:
            return CentreError(
                f"no controller answers at {self._address}; is `stopline serve` running there?"
            )
        return CentreError(f"{self._address}: {details()}")


def _source(source: state_pb2.Source.ValueType) -> str:
    return state_pb2.Source.Name(source).removeprefix("SOURCE_").lower().replace("unspecified", "")
