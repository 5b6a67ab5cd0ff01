"""PolicyService: which policy decides, and how that is changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import grpc

from stopline.v1 import policy_pb2, policy_pb2_grpc
from stopline_controller.access import caller
from stopline_controller.policy_room import PolicyRoom
from stopline_controller.policy_seat import Seat
from stopline_controller.policy_store import PolicyError, State, Version
from stopline_controller.services.refusals import Context, refuse
from stopline_controller.texts import too_long
from stopline_controller.wire import timestamp
from stopline_policy.bundle import MAX_FILE_BYTES
from stopline_signals.errors import BundleError

STATES = {
    State.LOADED: policy_pb2.POLICY_STATE_LOADED,
    State.SHADOW: policy_pb2.POLICY_STATE_SHADOW,
    State.ACTIVE: policy_pb2.POLICY_STATE_ACTIVE,
    State.ROLLED_BACK: policy_pb2.POLICY_STATE_ROLLED_BACK,
}
WORST_JUNCTIONS = 20
UPLOAD = "the bundle sent"

_T = TypeVar("_T")


class PolicyServicer(policy_pb2_grpc.PolicyServiceServicer):
    """Translates; the room decides and records. What loads a model goes to a thread."""

    def __init__(self, room: PolicyRoom) -> None:
        self._room = room

    async def GetPolicy(  # the name of the RPC
        self, request: policy_pb2.GetPolicyRequest, context: Context
    ) -> policy_pb2.GetPolicyResponse:
        """The active policy."""
        facts = self._room.facts
        if facts is None:
            await refuse(context, grpc.StatusCode.NOT_FOUND, "the local plans are in charge, no policy is")
        return policy_pb2.GetPolicyResponse(
            name=facts.name,
            bundle_sha256=facts.bundle_sha256,
            decision_interval_s=facts.decision_interval,
            encoder_version=facts.encoder_version,
            signature_verified=facts.signed,
        )

    async def ListPolicies(
        self, request: policy_pb2.ListPoliciesRequest, context: Context
    ) -> policy_pb2.ListPoliciesResponse:
        """All versions, newest first."""
        versions = [self._message(sha) for sha in reversed(list(self._room.store.versions))]
        return policy_pb2.ListPoliciesResponse(versions=versions)

    async def LoadPolicy(
        self, request_iterator: AsyncIterator[policy_pb2.LoadPolicyRequest], context: Context
    ) -> policy_pb2.LoadPolicyResponse:
        """Take a bundle in."""
        who = caller(context).name or str(context.peer())
        with self._room.store.upload() as folder:
            path = Path(folder) / "sent.zip"
            try:
                await _receive(request_iterator, path)
                version = await asyncio.to_thread(self._load, path, who)
            except (BundleError, PolicyError) as error:
                problem = str(error).replace(str(path), UPLOAD)
                self._room.refused(who, problem)
                await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, problem)
        return policy_pb2.LoadPolicyResponse(version=self._message(version.sha256))

    async def ShadowPolicy(
        self, request: policy_pb2.ShadowPolicyRequest, context: Context
    ) -> policy_pb2.ShadowPolicyResponse:
        """Begin or end a shadow."""
        who = await self._who(context, request.operator, request.bundle_sha256)
        room, start = self._room, request.bundle_sha256
        before = await _done(context, lambda: room.shadow(start, who))
        response = policy_pb2.ShadowPolicyResponse()
        if before is not None:
            response.ended.CopyFrom(self._message(before.sha256, shadow=before))
        if room.shadowing is not None:
            response.version.CopyFrom(self._message(room.shadowing.sha256))
        return response

    async def ActivatePolicy(
        self, request: policy_pb2.ActivatePolicyRequest, context: Context
    ) -> policy_pb2.ActivatePolicyResponse:
        """Put a version in charge."""
        version, reason = request.bundle_sha256, request.reason
        who, room = await self._who(context, request.operator, version, reason), self._room
        number = await _done(
            context,
            lambda: room.activate(version, who, reason, again=request.again),
        )
        return policy_pb2.ActivatePolicyResponse(version=self._in_charge(), audit_sequence=number)

    async def RollBackPolicy(
        self, request: policy_pb2.RollBackPolicyRequest, context: Context
    ) -> policy_pb2.RollBackPolicyResponse:
        """Put the version before in charge again."""
        who, room = await self._who(context, request.operator, reason=request.reason), self._room
        number = await _done(context, lambda: room.roll_back(who, request.reason))
        return policy_pb2.RollBackPolicyResponse(version=self._in_charge(), audit_sequence=number)

    async def _who(self, context: Context, said: str, version: str = "", reason: str = "") -> str:
        """The name in the certificate, without one what the caller says; what is too long ends the call."""
        who = caller(context).name
        problem = next(too_long({"operator": said, "bundle_sha256": version}, reason), "")
        if problem:
            self._room.refused(who or str(context.peer()), problem)
            await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, problem)
        return who or said

    def _load(self, path: Path, who: str) -> Version:
        return self._room.load(self._room.store.read(path), who)

    def _in_charge(self) -> policy_pb2.PolicyVersion | None:
        return self._message(self._room.active.sha256) if self._room.active else None

    def _message(self, sha256: str, shadow: Seat | None = None) -> policy_pb2.PolicyVersion:
        version, room = self._room.store.versions[sha256], self._room
        message = policy_pb2.PolicyVersion(
            bundle_sha256=sha256,
            name=version.name,
            state=STATES[version.state],
            signed_by=version.signed_by,
            decision_interval_s=version.interval,
            loaded_by=version.loaded_by,
            loaded_at=timestamp(version.loaded_us),
            changed_at=timestamp(version.changed_us),
            reason=version.reason,
        )
        if room.active is not None and room.active.sha256 == sha256:
            message.figures.CopyFrom(_figures(room.active))
        if shadow is None and room.shadowing is not None and room.shadowing.sha256 == sha256:
            shadow = room.shadowing
        if shadow is not None:
            message.shadow.CopyFrom(_shadow_figures(shadow))
        return message


async def _receive(chunks: AsyncIterator[policy_pb2.LoadPolicyRequest], path: Path) -> None:
    """Write what is sent; PolicyError when it cannot be taken."""
    size = 0
    try:
        with path.open("wb") as file:
            async for piece in chunks:
                size += len(piece.chunk)
                if size > MAX_FILE_BYTES:
                    raise PolicyError(f"over {MAX_FILE_BYTES} bytes, more than any bundle needs")
                file.write(piece.chunk)
    except OSError as error:
        raise PolicyError(f"no room for the bundle here ({error.strerror}); free disk space") from error
    if not size:
        raise PolicyError("nothing was sent")


async def _done(context: Context, change: Callable[[], _T]) -> _T:
    try:
        return await asyncio.to_thread(change)
    except PolicyError as error:
        await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))


def _figures(seat: Seat) -> policy_pb2.PolicyFigures:
    watch, traffic = seat.watch, seat.watch.traffic
    return policy_pb2.PolicyFigures(
        decisions=watch.decisions,
        guard_interventions=watch.interventions,
        failures=watch.failures,
        batch_ms_p50=watch.batch_ms,
        queue_delay_s=traffic.delay_s,
        local_queue_delay_s=traffic.local_delay_s,
        windows=traffic.windows,
    )


def _shadow_figures(seat: Seat) -> policy_pb2.ShadowFigures:
    total = seat.total
    by_disagreement = sorted(seat.agreement.items(), key=lambda row: row[1].agreed / row[1].compared)
    return policy_pb2.ShadowFigures(
        compared=total.compared,
        agreed=total.agreed,
        failures=seat.watch.failures,
        batch_ms_p50=seat.watch.batch_ms,
        junctions=[
            policy_pb2.ShadowJunction(junction_id=name, compared=row.compared, agreed=row.agreed)
            for name, row in by_disagreement[:WORST_JUNCTIONS]
        ],
    )
