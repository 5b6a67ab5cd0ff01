"""Clients that share no code with us: Node with the .proto files, and one that learns all by reflection."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from stopline_controller.server import SERVICES
from tests.controller.bench import PlcBench, ServeProcess, until
from tests.controller.sites import write_site
from tests.foreign import foreign_modules

RATE = 10.0
NODE = Path(__file__).parent / "node" / "operator.mjs"


@pytest.fixture(scope="module")
def bench() -> Iterator[PlcBench]:
    with PlcBench("A", rate=RATE) as running:
        yield running
        assert running.violations() == []


@pytest.fixture(scope="module")
def server(bench: PlcBench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    folder = tmp_path_factory.mktemp("site")
    site = write_site(folder, bench.tables(limit_s=5), controller=f"clock_rate = {RATE}", interval=2.0)
    with ServeProcess(site) as running:
        until(lambda: bench.cabinets["A"].plans_accepted > 0, 15, "the policy decides")
        yield running


def test_a_node_operator_lists_watches_takes_over_and_hands_back(server: ServeProcess, root: Path) -> None:
    modules = foreign_modules()
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here")
    done = subprocess.run(
        [node, NODE, server.address, root / "proto"],
        check=False,
        capture_output=True,
        text=True,
        timeout=40,
        env={**os.environ, "FOREIGN_MODULES": str(modules)},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["junctions"] == ["A"]
    assert told["groups"] == ["main", "left", "side", "walk along", "walk across"]
    assert told["sequences"] == sorted(set(told["sequences"])) and told["sequences"][0] > 0
    assert told["answer"] in ("OVERRIDE_STATUS_ACCEPTED", "OVERRIDE_STATUS_PENDING_SAFE_POINT")
    assert told["reached"] and told["refused"] == "FAILED_PRECONDITION"
    assert told["policy"] == "tiny" and told["audited"] == ["node"]


def test_a_client_without_any_proto_file_learns_and_calls_every_service(server: ServeProcess) -> None:
    with server.channel() as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # its type stubs leave methods out
        asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        named = {
            service.name
            for r in stub.ServerReflectionInfo(asked)
            for service in r.list_services_response.service
        }
        assert {service.full_name for service in SERVICES} < named
        assert "grpc.health.v1.Health" in named
        pool = descriptor_pool.DescriptorPool()
        for name in sorted(named):
            if name.startswith("stopline."):
                _learn(stub, pool, name)
        listing = pool.FindServiceByName("stopline.v1.JunctionService").FindMethodByName("ListJunctions")
        request = message_factory.GetMessageClass(listing.input_type)
        reply = message_factory.GetMessageClass(listing.output_type)
        call: grpc.UnaryUnaryMultiCallable[object, object] = channel.unary_unary(
            "/stopline.v1.JunctionService/ListJunctions",
            request_serializer=lambda message: message.SerializeToString(),  # type: ignore[attr-defined]  # made above
            response_deserializer=reply.FromString,
        )
        found = call(request())
        assert [row.junction_id for row in found.junctions] == ["A"]  # type: ignore[attr-defined]  # learnt, not typed


def _learn(stub: Any, pool: descriptor_pool.DescriptorPool, symbol: str) -> None:
    asked = iter([reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)])
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(data)
        for response in stub.ServerReflectionInfo(asked)
        for data in response.file_descriptor_response.file_descriptor_proto
    ]
    # The file asked for comes first, what it imports after it; a pool wants them the other way round.
    for file in reversed(files):
        pool.Add(file)
