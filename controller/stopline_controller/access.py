"""Who may call what: one row per method, checked before the call; and how much one caller may ask for.

A method without a row is refused. A test fails when a service has one.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast

import grpc
import structlog

from stopline_controller.certificates import facts_of
from stopline_controller.identity import NOBODY, Identity, Role
from stopline_controller.limits import Meter, Rate, Streams
from stopline_controller.refusals import RefusalLog
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
    "/stopline.v1.JunctionService/DescribeJunction": _ALL,
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

LOOK_S = 10.0
"""Seconds between two looks of an open stream at the wall clock, which may be set while it is open."""
KEPT_DENIALS = 1000
"""Refusals logged; each caller and method once."""
KEPT_ADMISSIONS = 10_000
"""Certificates remembered, once for each method they were let through to."""


def caller(context: Context) -> Identity:
    """Who calls, as the certificate says; NOBODY without one."""
    pem = _certificate(context)
    facts = facts_of(pem) if pem else None
    return facts.identity if facts and facts.identity else NOBODY


class Gate:
    """Lets a call through when its caller's role has the method and its bucket has a token."""

    def __init__(self, limits: LimitsTable, *, secure: bool, refusals: RefusalLog | None = None) -> None:
        """`secure`: every caller must have a certificate; `refusals` keeps who was refused what."""
        self.streams = Streams(limits.streams)
        self._secure = secure
        self._refusals = refusals
        self._calls = Meter(Rate(limits.calls_per_s, 2 * limits.calls_per_s))
        self._decisions = Meter(Rate(limits.decisions_per_s, 2 * limits.decisions_per_s))
        self._messages = Meter(Rate(limits.messages_per_s, 2 * limits.messages_per_s))
        self._admitted: dict[tuple[bytes | None, str], tuple[str, float]] = {}
        """Name and end of every certificate that was let through to a method."""
        self._denied: set[tuple[str, str]] = set()
        self.refused = 0
        """Calls refused so far."""

    def before(self, server: grpc.aio.Server) -> grpc.aio.Server:
        """What services are to be added to instead of the server itself: their methods behind these checks.

        An interceptor would do the same and cost every call a search and a coroutine more.
        """
        return cast(grpc.aio.Server, _Entrance(self, server))

    def guarded(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> Handler:
        """The method's handler behind its checks; without a row nobody gets through."""
        roles = METHODS.get(method, frozenset[Role]())
        often = method in DECISIONS
        door = _Door(self, method, roles, self._decisions if often else self._calls)
        codec = (handler.request_deserializer, handler.response_serializer)
        # The stubs know the blocking kind of behaviour only, and think that all four are there.
        one, many = cast("_One | None", handler.unary_unary), cast("_Many | None", handler.unary_stream)
        if one is not None:
            return grpc.unary_unary_rpc_method_handler(door.unary(one), *codec)
        if many is not None:
            return grpc.unary_stream_rpc_method_handler(door.stream(many), *codec)
        one = cast("_One | None", handler.stream_unary)
        if one is not None:
            return grpc.stream_unary_rpc_method_handler(door.upload(one), *codec)
        messages = self._decisions if often else self._messages
        both = cast("_Many", handler.stream_stream)
        return grpc.stream_stream_rpc_method_handler(door.stream(both, messages), *codec)

    def admit(self, context: Context, method: str, roles: frozenset[Role], meter: Meter) -> tuple[str, float]:
        """Whose bucket the call draws from, and when the certificate ends (seconds since 1970 UTC).

        Denied when the call may not be made.
        """
        pem = _certificate(context)
        known = self._admitted.get((pem, method))
        # What a certificate may do never changes; when it ends and how often it asks is looked at anew.
        if known is None:
            known = self._may(context, pem, method, roles)
            if pem is not None:
                self._keep(pem, method, known)
        name, end = known
        _still_good(name, end)
        wait = meter.take(name)
        if wait > 0:
            raise _too_many(meter, name, wait)
        return known

    def _may(
        self, context: Context, pem: bytes | None, method: str, roles: frozenset[Role]
    ) -> tuple[str, float]:
        """The caller's name and when its certificate ends; Denied when this method is not for its role."""
        if pem is None and not self._secure:
            # NOBODY's name: each connection has a bucket of its own.
            name, role, end = str(context.peer()), NOBODY.role, math.inf
        elif pem is None:
            raise Denied(grpc.StatusCode.UNAUTHENTICATED, "", "no certificate")
        else:
            facts = facts_of(pem)
            if facts.identity is None:
                raise Denied(grpc.StatusCode.UNAUTHENTICATED, "", facts.problem)
            name, role, end = facts.identity.name, facts.identity.role, facts.not_after
        if role not in roles:
            needed = ", ".join(role for role in Role if role in roles) or "nobody"
            reason = f"{name} is {role}; {method.rpartition('/')[2]} is for {needed}"
            raise Denied(grpc.StatusCode.PERMISSION_DENIED, name, reason)
        return name, end

    def _keep(self, pem: bytes, method: str, known: tuple[str, float]) -> None:
        if len(self._admitted) >= KEPT_ADMISSIONS:
            self._admitted.clear()
        self._admitted[pem, method] = known

    def enter(self, name: str) -> None:
        """Count a stream of the caller's; Denied when that is one too many."""
        if not self.streams.enter(name):
            reason = f"{name} has {self.streams.limit} streams open already; close one"
            raise Denied(grpc.StatusCode.RESOURCE_EXHAUSTED, name, reason)

    async def deny(self, context: Context, method: str, why: Denied) -> NoReturn:
        """End the call."""
        # Once per caller and method: a flood of refusals must not become a flood of log lines.
        if (why.name, method) not in self._denied and len(self._denied) < KEPT_DENIALS:
            self._denied.add((why.name, method))
            log.warning("call_refused", caller=why.name, method=method, code=why.code.name, reason=str(why))
        self.refused += 1
        if self._refusals is not None:
            self._refusals.note(why.name, str(why), detail={"method": method, "code": why.code.name})
        await refuse(context, why.code, str(why))


class Denied(Exception):
    """A call that may not be made: the status it ends with, and the caller's name as far as it is known."""

    def __init__(self, code: grpc.StatusCode, name: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.name = name


class _Entrance:
    """Stands for a server where services are added; whatever else was asked of it fails."""

    def __init__(self, gate: Gate, server: grpc.aio.Server) -> None:
        self._gate = gate
        self._server = server

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        guarded = {
            name: self._gate.guarded(f"/{service}/{name}", handler) for name, handler in handlers.items()
        }
        self._server.add_registered_method_handlers(service, guarded)

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Leave out: generated code registers every method both ways, and here it would be unguarded."""


@dataclass(frozen=True, slots=True)
class _Door:
    """The checks of one method, as wrappers of what serves it."""

    gate: Gate
    method: str
    roles: frozenset[Role]
    meter: Meter

    def unary(self, behaviour: _One) -> Any:
        admit, method, roles, meter = self.gate.admit, self.method, self.roles, self.meter

        async def call(request: Any, context: Context) -> Any:
            try:
                admit(context, method, roles, meter)
            except Denied as why:
                await self.gate.deny(context, method, why)
            return await behaviour(request, context)

        return call

    def upload(self, behaviour: _One) -> Any:
        """A stream of the caller's with one answer: it is the reading that ends with the certificate."""

        async def call(request: Any, context: Context) -> Any:
            try:
                name, end = self.gate.admit(context, self.method, self.roles, self.meter)
                # Not what is done after the last message: that would go on in its thread anyway.
                return await behaviour(_in_time(request, name, end), context)
            except Denied as why:
                await self.gate.deny(context, self.method, why)

        return call

    def stream(self, behaviour: _Many, messages: Meter | None = None) -> Any:
        """`messages`: every message of the caller's draws from this as well. Ends with the certificate."""
        serve = behaviour if inspect.iscoroutinefunction(behaviour) else _written(behaviour)

        async def call(request: Any, context: Context) -> None:
            try:
                name, end = self.gate.admit(context, self.method, self.roles, self.meter)
                self.gate.enter(name)
            except Denied as why:
                await self.gate.deny(context, self.method, why)
            try:
                asked = metered(request, messages, name, end) if messages else request
                async with until_end(name, end):
                    await serve(asked, context)
            except Denied as why:
                # Here and not where it was found, which may be a task that reads ahead of an answer.
                await self.gate.deny(context, self.method, why)
            finally:
                self.gate.streams.leave(name)

        return call


async def metered(source: AsyncIterator[Any], meter: Meter, name: str, end: float) -> AsyncIterator[Any]:
    """The messages, as many as the caller's bucket gives, until a certificate's end (seconds since 1970 UTC).

    Denied after that.
    """
    async for request in source:
        # Also here: what was read before the stream could be ended must not count.
        _still_good(name, end)
        wait = meter.take(name)
        if wait > 0:
            raise _too_many(meter, name, wait)
        yield request


def _written(behaviour: _Many) -> _One:
    """A generator of answers as the other way to answer with a stream: it writes to its context."""

    async def write(request: Any, context: Context) -> None:
        async with contextlib.aclosing(behaviour(request, context)) as responses:
            async for response in responses:
                await context.write(response)

    return write


def _still_good(name: str, end: float) -> None:
    """Denied when a certificate's end, seconds since 1970 UTC, is over."""
    if end <= time.time():
        raise _expired(name)


@contextlib.asynccontextmanager
async def until_end(name: str, end: float) -> AsyncGenerator[None]:
    """Cut what is in here off at a certificate's end, seconds since 1970 UTC; Denied then.

    The end is by the wall clock and asyncio waits by the monotonic one, so it is looked at again and again.
    """
    if math.isinf(end):
        yield
        return
    loop = asyncio.get_running_loop()
    limit = asyncio.timeout(None)
    timer: asyncio.TimerHandle | None = None

    def look() -> None:
        nonlocal timer
        left = end - time.time()
        if left > 0:
            timer = loop.call_later(min(left, LOOK_S), look)
        else:
            limit.reschedule(loop.time())

    try:
        async with limit:
            look()
            try:
                yield
            finally:
                if timer is not None:
                    timer.cancel()
    except TimeoutError:
        if not limit.expired():
            raise
        raise _expired(name) from None


async def _in_time(source: AsyncIterator[Any], name: str, end: float) -> AsyncIterator[Any]:
    """The messages that come before a certificate's end, seconds since 1970 UTC; Denied then."""
    while True:
        async with until_end(name, end):
            request = await anext(source, None)
        if request is None:
            return
        _still_good(name, end)
        yield request


def _expired(name: str) -> Denied:
    reason = "the certificate expired; get a new one and connect again"
    return Denied(grpc.StatusCode.UNAUTHENTICATED, name, reason)


def _too_many(meter: Meter, name: str, wait: float) -> Denied:
    reason = f"over {meter.rate.per_s:g} a second from {name}; try again in {wait:.2f} s"
    return Denied(grpc.StatusCode.RESOURCE_EXHAUSTED, name, reason)


def _certificate(context: Context) -> bytes | None:
    found = context.auth_context().get("x509_pem_cert")
    return next(iter(found)) if found else None
