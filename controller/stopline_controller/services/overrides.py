"""OverrideService: the operators' desk over gRPC."""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from stopline.v1 import override_pb2, override_pb2_grpc
from stopline_controller import wire
from stopline_controller.access import caller
from stopline_controller.clock import Clock
from stopline_controller.desk import Desk, Grant, InvalidRequest
from stopline_controller.junction import JunctionControl
from stopline_controller.leases import Lease, LeaseBook, LeaseError
from stopline_controller.services.refusals import Context, known_junction, refuse


class OverrideServicer(override_pb2_grpc.OverrideServiceServicer):
    """Translates; the desk judges and records."""

    def __init__(
        self, desk: Desk, leases: LeaseBook, clock: Clock, controls: Mapping[str, JunctionControl]
    ) -> None:
        self._desk = desk
        self._leases = leases
        self._clock = clock
        self._controls = controls

    async def AcquireLease(  # the name of the RPC
        self, request: override_pb2.AcquireLeaseRequest, context: Context
    ) -> override_pb2.AcquireLeaseResponse:
        """Take a junction, or some of its groups, over."""
        junction = await known_junction(context, request.junction_id, self._controls)
        grant = Grant(
            junction,
            request.operator,
            request.ttl_s,
            request.reason,
            request.priority,
            tuple(request.groups),
        )
        try:
            lease = self._desk.acquire(grant, caller(context))
        except InvalidRequest as error:
            await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except LeaseError as error:
            await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return override_pb2.AcquireLeaseResponse(lease=self._message(lease))

    async def RenewLease(
        self, request: override_pb2.RenewLeaseRequest, context: Context
    ) -> override_pb2.RenewLeaseResponse:
        """Extend a lease."""
        try:
            lease = self._desk.renew(request.lease_id, request.fencing_token, request.ttl_s, caller(context))
        except InvalidRequest as error:
            await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except LeaseError as error:
            await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return override_pb2.RenewLeaseResponse(lease=self._message(lease))

    async def ReleaseLease(
        self, request: override_pb2.ReleaseLeaseRequest, context: Context
    ) -> override_pb2.ReleaseLeaseResponse:
        """End a lease."""
        try:
            self._desk.release(request.lease_id, request.fencing_token, caller(context))
        except InvalidRequest as error:
            await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except LeaseError as error:
            await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return override_pb2.ReleaseLeaseResponse()

    async def ListLeases(
        self, request: override_pb2.ListLeasesRequest, context: Context
    ) -> override_pb2.ListLeasesResponse:
        """List the leases in force."""
        return override_pb2.ListLeasesResponse(
            leases=[
                self._message(lease)
                for lease in self._leases.all()
                if request.junction_id in ("", lease.junction)
            ]
        )

    async def Override(
        self, request: override_pb2.OverrideRequest, context: Context
    ) -> override_pb2.OverrideResponse:
        """Place or remove an override, or say what would become of it."""
        wanted = wire.request_from(request)
        if wanted is None:
            await refuse(
                context,
                grpc.StatusCode.INVALID_ARGUMENT,
                "say what to do: hold, go_to_stage, omit, call, select_plan, all_red, flash or release",
            )
        try:
            answer = self._desk.override(wanted, caller(context))
        except InvalidRequest as error:
            await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return wire.answer_message(answer)

    async def ConfirmOverride(
        self, request: override_pb2.ConfirmOverrideRequest, context: Context
    ) -> override_pb2.ConfirmOverrideResponse:
        """Take the second person's word."""
        try:
            answer = self._desk.confirm(request.confirmation_id, request.operator, caller(context))
        except InvalidRequest as error:
            await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return override_pb2.ConfirmOverrideResponse(answer=wire.answer_message(answer))

    def _message(self, lease: Lease) -> override_pb2.Lease:
        plan = self._controls[lease.junction].plan
        return wire.lease_message(lease, self._clock.seconds(), plan)
