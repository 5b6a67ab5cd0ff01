"""The gRPC server: services, health and reflection on one port."""

from __future__ import annotations

from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

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
from stopline_controller.assembly import Controller
from stopline_controller.services.audits import AuditServicer
from stopline_controller.services.decisions import DecisionServicer
from stopline_controller.services.junctions import JunctionServicer
from stopline_controller.services.overrides import OverrideServicer
from stopline_controller.services.policies import PolicyServicer
from stopline_controller.services.priorities import PriorityServicer
from stopline_controller.site import Site
from stopline_signals.errors import SiteError

MAX_REQUEST_BYTES = 256 * 1024
"""Larger requests are refused; the largest honest one is an observation of some kilobytes."""

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
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
                # Two controllers on one port must be an error, not a lottery.
                ("grpc.so_reuseport", 0),
            ]
        )
        _add_services(self._server, controller)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [service.full_name for service in SERVICES]
        reflection.enable_server_reflection(
            [*names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server
        )

    async def start(self) -> None:
        """Listen and report healthy; SiteError when the address cannot be had."""
        listen = self._site.tables.controller.listen
        try:
            port = _bind(self._server, self._site, listen)
        except RuntimeError as error:
            raise SiteError(
                f"{self._site.path}: cannot listen on {listen}; is another controller running? ({error})"
            ) from error
        self.address = listen if listen.startswith("unix:") else f"{listen.rpartition(':')[0]}:{port}"
        await self._server.start()
        for name in ("", *(service.full_name for service in SERVICES)):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def drain(self) -> None:
        """Report unhealthy first, so that clients leave before the door is shut."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace: float) -> None:
        """Let calls under way end within `grace` real seconds, then close."""
        await self._server.stop(grace)


def _add_services(server: grpc.aio.Server, controller: Controller) -> None:
    clock, statistics = controller.clock, controller.statistics
    leases, junctions = controller.overrides.leases, controller.controls
    junction_pb2_grpc.add_JunctionServiceServicer_to_server(
        JunctionServicer(junctions, controller.hub), server
    )
    decision_pb2_grpc.add_DecisionServiceServicer_to_server(
        DecisionServicer(controller.decider, statistics, clock), server
    )
    override_pb2_grpc.add_OverrideServiceServicer_to_server(
        OverrideServicer(controller.desk, leases, clock, junctions), server
    )
    priority_pb2_grpc.add_PriorityServiceServicer_to_server(
        PriorityServicer(controller.priority, controller.audit, clock), server
    )
    policy_pb2_grpc.add_PolicyServiceServicer_to_server(PolicyServicer(controller.policy), server)
    audit_pb2_grpc.add_AuditServiceServicer_to_server(AuditServicer(controller.audit), server)


def _bind(server: grpc.aio.Server, site: Site, listen: str) -> int:
    tls = site.tables.controller.tls
    if tls is None:
        return server.add_insecure_port(listen)
    folder = site.path.parent
    key, certificate, authority = (_pem(folder / path) for path in (tls.key, tls.certificate, tls.client_ca))
    credentials = grpc.ssl_server_credentials([(key, certificate)], authority, require_client_auth=True)
    return server.add_secure_port(listen, credentials)


def _pem(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SiteError(
            f"{path}: cannot be read ({error.strerror}); it is named in [controller.tls]"
        ) from error
