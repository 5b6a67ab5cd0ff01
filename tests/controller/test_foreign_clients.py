"""Clients that share no code with us: Node with generated stubs, and one that learns all by reflection."""

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
NODE = Path(__file__).parent / "node"


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


@pytest.fixture(scope="module")
def stubs(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated for Node from the .proto files as they are now."""
    tools, out = foreign_modules() / ".bin", tmp_path_factory.mktemp("stubs")
    done = subprocess.run(
        [tools / "buf", "generate", "--template", NODE / "buf.gen.yaml", "--output", out],
        cwd=root / "proto",
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr
    return out


def test_a_node_client_takes_over_and_hands_back_and_brings_a_fire_engine_through(
    server: ServeProcess, stubs: Path
) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here")
    done = subprocess.run(
        [node, NODE / "operator.mjs", server.address, stubs],
        check=False,
        capture_output=True,
        text=True,
        timeout=40,
        env={**os.environ, "NODE_PATH": str(foreign_modules())},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["junctions"] == ["A"]
    assert told["groups"] == ["main", "left", "side", "walk along", "walk across"]
    assert told["sequences"] == sorted(set(told["sequences"])) and told["sequences"][0] > 0
    assert told["answer"] in ("ACCEPTED", "PENDING_SAFE_POINT") and told["transition"] > 0
    assert told["leases"] == ["node"] and told["refused"] == "FAILED_PRECONDITION"
    assert told["left"] == [] and told["returned"] == "decided"
    assert told["priority"][-2:] == ["GREEN", "COMPLETED"]
    assert told["decided"] == [1, 2, 3]
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
