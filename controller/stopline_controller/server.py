"""The gRPC server: services, health and reflection on one port."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from stopline.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    decision_pb2,
    decision_pb2_grpc,
    junction_pb2,
    junction_pb2_grpc,
    override_pb2,
    override_pb2_grpc,
    policy_pb2,
    policy_pb2_grpc,
    priority_pb2,
    priority_pb2_grpc,
)
from stopline_controller.access import Gate
from stopline_controller.assembly import Controller
from stopline_controller.certificates import ServerCertificate
from stopline_controller.insight import Insights
from stopline_controller.services.audits import AuditServicer
from stopline_controller.services.decisions import DecisionServicer
from stopline_controller.services.junctions import JunctionServicer
from stopline_controller.services.overrides import OverrideServicer
from stopline_controller.services.policies import PolicyServicer
from stopline_controller.services.priorities import PriorityServicer
from stopline_signals.errors import SiteError

KEEPALIVE_MS = 10_000
"""A client that does not answer a ping after this time, and half of it again, is gone: its streams end."""
METADATA_BYTES = 8 * 1024

SERVICES = (
    audit_pb2.DESCRIPTOR.services_by_name["AuditService"],
    decision_pb2.DESCRIPTOR.services_by_name["DecisionService"],
    junction_pb2.DESCRIPTOR.services_by_name["JunctionService"],
    override_pb2.DESCRIPTOR.services_by_name["OverrideService"],
    policy_pb2.DESCRIPTOR.services_by_name["PolicyService"],
    priority_pb2.DESCRIPTOR.services_by_name["PriorityService"],
)


class Server:
    """Serves one controller; `address` is known after `start`."""

    def __init__(self, controller: Controller) -> None:
        self.address = ""
        self._site = controller.site
        self._health = health.aio.HealthServicer()
        tls, limits = self._site.tables.controller.tls, self._site.tables.limits
        self._certificate = ServerCertificate(self._site.path.parent, tls) if tls else None
        self.gate = Gate(limits, secure=tls is not None, refusals=controller.refusals)
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=limits.calls_at_once,
            options=[
                ("grpc.max_receive_message_length", limits.request_kib * 1024),
                ("grpc.max_metadata_size", METADATA_BYTES),
                # Two controllers on one port must be an error, not a lottery.
                ("grpc.so_reuseport", 0),
                ("grpc.keepalive_time_ms", KEEPALIVE_MS),
                ("grpc.keepalive_timeout_ms", KEEPALIVE_MS // 2),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
            ],
        )
        entrance = self.gate.before(self._server)
        _add_services(entrance, controller)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, entrance)
        names = [service.full_name for service in SERVICES]
        stubs: Any = reflection_pb2_grpc  # without types
        stubs.add_ServerReflectionServicer_to_server(
            reflection.aio.ReflectionServicer([*names, health.SERVICE_NAME, reflection.SERVICE_NAME]),
            entrance,
        )

    async def start(self) -> None:
        """Listen; SiteError when the address cannot be had. Healthy is what `tell_health` says."""
        listen = self._site.tables.controller.listen
        try:
            port = self._bind(listen)
        except RuntimeError as error:
            raise SiteError(
                f"{self._site.path}: cannot listen on {listen}; is another controller running? ({error})"
            ) from error
        self.address = listen if listen.startswith("unix:") else f"{listen.rpartition(':')[0]}:{port}"
        await self.tell_health(False)
        await self._server.start()

    async def tell_health(self, alive: bool) -> None:
        """Report every service as serving, or not; without effect once the server drains."""
        answer = health_pb2.HealthCheckResponse
        status = answer.SERVING if alive else answer.NOT_SERVING
        for name in ("", *(service.full_name for service in SERVICES)):
            await self._health.set(name, status)

    async def run(self) -> None:
        """Wait for the end of the server."""
        # Cancelled itself, it would take the server's own future with it.
        await asyncio.shield(asyncio.create_task(self._server.wait_for_termination()))

    def certificate_alarm(self, now: datetime.datetime) -> str:
        """What is to be said about this server's certificate; empty when nothing is."""
        return self._certificate.alarm(now) if self._certificate else ""

    async def drain(self) -> None:
        """Report unhealthy first, so that clients leave before the door is shut."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace: float) -> None:
        """Let calls under way end within `grace` real seconds, then close."""
        await self._server.stop(grace)

    def _bind(self, listen: str) -> int:
        if self._certificate is None:
            return self._server.add_insecure_port(listen)
        return self._server.add_secure_port(listen, self._certificate.credentials())


def _add_services(server: grpc.aio.Server, controller: Controller) -> None:
    clock, statistics = controller.clock, controller.statistics
    leases, junctions = controller.overrides.leases, controller.controls
    junction_pb2_grpc.add_JunctionServiceServicer_to_server(
        JunctionServicer(junctions, controller.hub, Insights(controller.loop.junctions, controller.policies)),
        server,
    )
    decision_pb2_grpc.add_DecisionServiceServicer_to_server(
        DecisionServicer(controller.decider, statistics, clock), server
    )
    override_pb2_grpc.add_OverrideServiceServicer_to_server(
        OverrideServicer(controller.desk, leases, clock, junctions), server
    )
    priority_pb2_grpc.add_PriorityServiceServicer_to_server(PriorityServicer(controller.reports), server)
    policy_pb2_grpc.add_PolicyServiceServicer_to_server(PolicyServicer(controller.policies), server)
    audit_pb2_grpc.add_AuditServiceServicer_to_server(AuditServicer(controller.audit), server)
