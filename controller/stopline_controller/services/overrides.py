"""OverrideService: the operators' desk over gRPC."""

from __future__ import annotations

from collections.abc import Container

import grpc

from stopline.v1 import override_pb2, override_pb2_grpc
from stopline_controller import wire
from stopline_controller.clock import Clock
from stopline_controller.desk import Desk
from stopline_controller.leases import LeaseBook, LeaseError
from stopline_controller.services.refusals import Context, known_junction, refuse


class OverrideServicer(override_pb2_grpc.OverrideServiceServicer):
    """Translates; the desk judges and records."""

    def __init__(self, desk: Desk, leases: LeaseBook, clock: Clock, junctions: Container[str]) -> None:
        self._desk = desk
        self._leases = leases
        self._clock = clock
        self._junctions = junctions

    async def AcquireLease(  # the name of the RPC
        self, request: override_pb2.AcquireLeaseRequest, context: Context
    ) -> override_pb2.AcquireLeaseResponse:
        """Take a junction over."""
        junction = await known_junction(context, request.junction_id, self._junctions)
        try:
            lease = self._desk.acquire(
                junction, request.operator, request.ttl_s, request.reason, request.priority
            )
        except LeaseError as error:
            await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return override_pb2.AcquireLeaseResponse(lease=wire.lease_message(lease, self._clock.seconds()))

    async def RenewLease(
        self, request: override_pb2.RenewLeaseRequest, context: Context
    ) -> override_pb2.RenewLeaseResponse:
        """Extend a lease."""
        try:
            lease = self._desk.renew(request.lease_id, request.fencing_token, request.ttl_s)
        except LeaseError as error:
            await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return override_pb2.RenewLeaseResponse(lease=wire.lease_message(lease, self._clock.seconds()))

    async def ReleaseLease(
        self, request: override_pb2.ReleaseLeaseRequest, context: Context
    ) -> override_pb2.ReleaseLeaseResponse:
        """End a lease."""
        try:
            self._desk.release(request.lease_id, request.fencing_token)
        except LeaseError as error:
            await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return override_pb2.ReleaseLeaseResponse()

    async def ListLeases(
        self, request: override_pb2.ListLeasesRequest, context: Context
    ) -> override_pb2.ListLeasesResponse:
        """List the leases in force."""
        now = self._clock.seconds()
        return override_pb2.ListLeasesResponse(
            leases=[
                wire.lease_message(lease, now)
                for lease in self._leases.all()
                if request.junction_id in ("", lease.junction)
            ]
        )

    async def Override(
        self, request: override_pb2.OverrideRequest, context: Context
    ) -> override_pb2.OverrideResponse:
        """Place or remove an override."""
        verb = request.WhichOneof("verb")
        if verb is None:
            await refuse(
                context, grpc.StatusCode.INVALID_ARGUMENT, "say what to do: hold, go_to_stage or release"
            )
        answer = self._desk.override(
            request.lease_id,
            request.fencing_token,
            verb,
            request.go_to_stage.stage if verb == "go_to_stage" else None,
            key=request.idempotency_key,
            not_after_s=request.not_after_s,
        )
        return wire.answer_message(answer)
