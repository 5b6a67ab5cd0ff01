"""Who may call what: one row per method, checked before the call; and how much one caller may ask for.

A method without a row is refused. A test fails when a service has one.
"""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast

import grpc
import structlog

from stopline_controller.certificates import facts_of
from stopline_controller.identity import NOBODY, Identity, Role
from stopline_controller.limits import Meter, Rate, Streams
from stopline_controller.services.refusals import Context, refuse
from stopline_controller.site_tables import LimitsTable

log = structlog.get_logger(__name__)

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]  # generic in the stubs only
_One = Callable[[Any, Context], Awaitable[Any]]
_Many = Callable[[Any, Context], Any]

_ALL = frozenset(Role)
_OVERRIDE = frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ENGINEER})
_DISPATCH = frozenset({Role.DISPATCHER, Role.ENGINEER})
_CHANGE = frozenset({Role.ENGINEER})
_TAKE_BACK = frozenset({Role.SUPERVISOR, Role.ENGINEER})

METHODS: Mapping[str, frozenset[Role]] = {
    "/stopline.v1.JunctionService/ListJunctions": _ALL,
    "/stopline.v1.JunctionService/GetPlan": _ALL,
    "/stopline.v1.JunctionService/WatchState": _ALL,
    "/stopline.v1.JunctionService/Preview": _ALL,
    "/stopline.v1.DecisionService/Decide": _OVERRIDE,
    "/stopline.v1.DecisionService/DecideStream": _OVERRIDE,
    "/stopline.v1.DecisionService/GetDecisionStatistics": _ALL,
    "/stopline.v1.OverrideService/AcquireLease": _OVERRIDE,
    "/stopline.v1.OverrideService/RenewLease": _OVERRIDE,
    "/stopline.v1.OverrideService/ReleaseLease": _OVERRIDE,
    "/stopline.v1.OverrideService/ListLeases": _ALL,
    "/stopline.v1.OverrideService/Override": _OVERRIDE,
    "/stopline.v1.OverrideService/ConfirmOverride": _OVERRIDE,
    "/stopline.v1.PriorityService/Report": _DISPATCH,
    "/stopline.v1.PolicyService/GetPolicy": _ALL,
    "/stopline.v1.PolicyService/ListPolicies": _ALL,
    "/stopline.v1.PolicyService/LoadPolicy": _CHANGE,
    "/stopline.v1.PolicyService/ShadowPolicy": _CHANGE,
    "/stopline.v1.PolicyService/ActivatePolicy": _CHANGE,
    "/stopline.v1.PolicyService/RollBackPolicy": _TAKE_BACK,
    "/stopline.v1.AuditService/GetAudit": _OVERRIDE,
    "/stopline.v1.AuditService/VerifyAudit": _OVERRIDE,
    "/grpc.health.v1.Health/Check": _ALL,
    "/grpc.health.v1.Health/List": _ALL,
    "/grpc.health.v1.Health/Watch": _ALL,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": _ALL,
}

DECISIONS = frozenset({"/stopline.v1.DecisionService/Decide", "/stopline.v1.DecisionService/DecideStream"})
"""Methods that machines call at their own cadence."""

KEPT_DENIALS = 1000
"""Refusals logged; each caller and method once."""


def caller(context: Context) -> Identity:
    """Who calls, as the certificate says; NOBODY without one."""
    pem = _certificate(context)
    facts = facts_of(pem) if pem else None
    return facts.identity if facts and facts.identity else NOBODY


class Gate(grpc.aio.ServerInterceptor):
    """Lets a call through when its caller's role has the method and its bucket has a token."""

    def __init__(self, limits: LimitsTable, *, secure: bool) -> None:
        """`secure`: every caller must have a certificate."""
        self.streams = Streams(limits.streams)
        self._secure = secure
        self._calls = Meter(Rate(limits.calls_per_s, 2 * limits.calls_per_s))
        self._decisions = Meter(Rate(limits.decisions_per_s, 2 * limits.decisions_per_s))
        self._messages = Meter(Rate(limits.messages_per_s, 2 * limits.messages_per_s))
        self._wrapped: dict[str, Handler] = {}
        self._denied: set[tuple[str, str]] = set()
        self.refused = 0
        """Calls refused so far."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The method's handler behind its checks."""
        method = str(handler_call_details.method)
        known = self._wrapped.get(method)
        if known is not None:
            return known
        handler = await continuation(handler_call_details)
        # gRPC answers UNIMPLEMENTED itself; such names are not kept, there is no end to them.
        if not handler:
            return handler
        wrapped = self._wrapped[method] = self._wrap(method, handler)
        return wrapped

    def _wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        roles = METHODS.get(method, frozenset[Role]())
        meter = self._decisions if method in DECISIONS else self._calls
        door = _Door(self, method, roles, meter)
        codec = (handler.request_deserializer, handler.response_serializer)
        # The stubs know the blocking kind of behaviour only, and think that all four are there.
        one, many = cast("_One | None", handler.unary_unary), cast("_Many | None", handler.unary_stream)
        if one is not None:
            return grpc.unary_unary_rpc_method_handler(door.unary(one), *codec)
        if many is not None:
            return grpc.unary_stream_rpc_method_handler(door.stream(many), *codec)
        one = cast("_One | None", handler.stream_unary)
        if one is not None:
            return grpc.stream_unary_rpc_method_handler(door.unary(one), *codec)
        messages = self._decisions if method in DECISIONS else self._messages
        both = door.metered(cast("_Many", handler.stream_stream), messages)
        return grpc.stream_stream_rpc_method_handler(door.stream(both), *codec)

    async def admit(self, context: Context, method: str, roles: frozenset[Role], meter: Meter) -> str:
        """Let the caller in or end the call; returns whose bucket it draws from."""
        pem = _certificate(context)
        if pem is None and not self._secure:
            name, role = str(context.peer()), Role.ENGINEER
        elif pem is None:
            await self._deny(context, grpc.StatusCode.UNAUTHENTICATED, method, "", "no certificate")
        else:
            facts = facts_of(pem)
            if facts.identity is None:
                await self._deny(context, grpc.StatusCode.UNAUTHENTICATED, method, "", facts.problem)
            name, role = facts.identity.name, facts.identity.role
            if facts.not_after < time.time():
                reason = "the certificate expired; get a new one and connect again"
                await self._deny(context, grpc.StatusCode.UNAUTHENTICATED, method, name, reason)
        if role not in roles:
            needed = ", ".join(role for role in Role if role in roles) or "nobody"
            reason = f"{name} is {role}; {method.rpartition('/')[2]} is for {needed}"
            await self._deny(context, grpc.StatusCode.PERMISSION_DENIED, method, name, reason)
        await self.draw(context, method, name, meter)
        return name

    async def draw(self, context: Context, method: str, name: str, meter: Meter) -> None:
        """Take a token of the caller's or end the call."""
        wait = meter.take(name)
        if wait > 0:
            reason = f"over {meter.rate.per_s:g} a second from {name}; try again in {wait:.2f} s"
            await self._deny(context, grpc.StatusCode.RESOURCE_EXHAUSTED, method, name, reason)

    async def enter(self, context: Context, method: str, name: str) -> None:
        """Count a stream of the caller's or end the call."""
        if not self.streams.enter(name):
            reason = f"{name} has {self.streams.limit} streams open already; close one"
            await self._deny(context, grpc.StatusCode.RESOURCE_EXHAUSTED, method, name, reason)

    async def _deny(
        self, context: Context, code: grpc.StatusCode, method: str, name: str, reason: str
    ) -> NoReturn:
        # Once per caller and method: a flood of refusals must not become a flood of log lines.
        if (name, method) not in self._denied and len(self._denied) < KEPT_DENIALS:
            self._denied.add((name, method))
            log.warning("call_refused", caller=name, method=method, code=code.name, reason=reason)
        self.refused += 1
        await refuse(context, code, reason)


@dataclass(frozen=True, slots=True)
class _Door:
    """The checks of one method, as wrappers of what serves it."""

    gate: Gate
    method: str
    roles: frozenset[Role]
    meter: Meter

    def unary(self, behaviour: _One) -> Any:
        async def call(request: Any, context: Context) -> Any:
            await self.gate.admit(context, self.method, self.roles, self.meter)
            return await behaviour(request, context)

        return call

    def stream(self, behaviour: _Many) -> Any:
        if not inspect.isasyncgenfunction(behaviour):
            # The other way to answer with a stream: a coroutine that writes to its context.
            async def write(request: Any, context: Context) -> None:
                name = await self._open(context)
                try:
                    await behaviour(request, context)
                finally:
                    self.gate.streams.leave(name)

            return write

        async def answer(request: Any, context: Context) -> AsyncIterator[Any]:
            name = await self._open(context)
            try:
                async with contextlib.aclosing(behaviour(request, context)) as responses:
                    async for response in responses:
                        yield response
            finally:
                self.gate.streams.leave(name)

        return answer

    def metered(self, behaviour: _Many, meter: Meter) -> _Many:
        async def requests(source: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            name = caller(context).name or str(context.peer())
            async for request in source:
                await self.gate.draw(context, self.method, name, meter)
                yield request

        async def answer(source: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            async for response in behaviour(requests(source, context), context):
                yield response

        return answer

    async def _open(self, context: Context) -> str:
        name = await self.gate.admit(context, self.method, self.roles, self.meter)
        await self.gate.enter(context, self.method, name)
        return name


def _certificate(context: Context) -> bytes | None:
    found = context.auth_context().get("x509_pem_cert")
    return next(iter(found)) if found else None
