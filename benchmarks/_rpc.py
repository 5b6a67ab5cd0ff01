"""Decisions over gRPC beside an empty echo: same kind of call, same sizes, mutual TLS, same client, same run.

The echo does nothing; the controller is the real process, control running. Both share one core, the client
has the other. Blocks of calls alternate, so that whatever else the machine does meets all alike.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Generator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import grpc
import numpy as np

from stopline.v1 import decision_pb2, junction_pb2, junction_pb2_grpc

ECHO = "/benchmark.Echo/"
DECIDE = "/stopline.v1.DecisionService/"
REPLY = 24
"""Bytes the echo answers with: as many as a decision."""
SMALL_INPUT = 128
FIRST_BLOCKS = 2
"""Blocks left out: connections, caches and the model are cold in them."""


class Case(NamedTuple):
    """One kind of request."""

    name: str
    site: str
    request: bytes


class Pair(NamedTuple):
    """Percentiles of one block of decisions over those of the echo blocks around it."""

    p50: float
    p99: float


# --- the echo ---


async def serve_echo(folder: Path) -> None:
    """Answer every request at once, by unary call and by stream, until killed."""

    async def one(request: bytes, context: Any) -> bytes:
        return request[:REPLY]

    async def many(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request[:REPLY]

    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "benchmark.Echo",
                {
                    "Decide": grpc.unary_unary_rpc_method_handler(one),
                    "DecideStream": grpc.stream_stream_rpc_method_handler(many),
                },
            ),
        )
    )
    pair = ((folder / "controller.key").read_bytes(), (folder / "controller.pem").read_bytes())
    ca = (folder / "ca.pem").read_bytes()
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair], ca, True))
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


# --- the client ---


class Caller:
    """Calls one method of one server, block by block; the latest times are in microseconds."""

    def __init__(self, channel: grpc.aio.Channel, service: str, request: bytes, *, stream: bool) -> None:
        self._request = request
        self._stream = stream
        kind = "DecideStream" if stream else "Decide"
        # Without serialisers: the client does the same little for both.
        call: Any = channel.stream_stream if stream else channel.unary_unary
        self._method: Any = call(service + kind)
        self._open: Any = None

    async def block(self, calls: int) -> list[float]:
        """Make some calls one after the other."""
        return await (self._streamed(calls) if self._stream else self._unary(calls))

    async def close(self) -> None:
        """End the stream."""
        if self._open is not None:
            await self._open.done_writing()

    async def _unary(self, calls: int) -> list[float]:
        times: list[float] = []
        for _ in range(calls):
            began = time.perf_counter()
            await self._method(self._request)
            times.append((time.perf_counter() - began) * 1e6)
        return times

    async def _streamed(self, calls: int) -> list[float]:
        if self._open is None:
            self._open = self._method()
        times: list[float] = []
        for _ in range(calls):
            began = time.perf_counter()
            await self._open.write(self._request)
            await self._open.read()
            times.append((time.perf_counter() - began) * 1e6)
        return times


async def compare(
    echo: grpc.aio.Channel, decide: grpc.aio.Channel, request: bytes, *, stream: bool, blocks: int, calls: int
) -> tuple[Pair, float]:
    """Medians over blocks of the ratios, and the echo's median time (microseconds)."""
    # A stream carries each decision in an envelope of its own.
    wrapped = _envelope(request) if stream else request
    callers = [
        Caller(echo, ECHO, wrapped, stream=stream),
        Caller(decide, DECIDE, wrapped, stream=stream),
    ]
    ratios: list[Pair] = []
    base: list[float] = []
    for block in range(blocks + FIRST_BLOCKS):
        before = await callers[0].block(calls)
        ours = await callers[1].block(calls)
        after = await callers[0].block(calls)
        if block >= FIRST_BLOCKS:
            plain = np.percentile(before + after, (50, 99))
            found = np.percentile(ours, (50, 99))
            ratios.append(Pair(float(found[0] / plain[0]), float(found[1] / plain[1])))
            base.append(float(plain[0]))
        # Whoever else has work to do gets the cores now.
        await asyncio.sleep(0.05)
    for caller in callers:
        await caller.close()
    return Pair(median(r.p50 for r in ratios), median(r.p99 for r in ratios)), median(base)


def _envelope(request: bytes) -> bytes:
    decision = decision_pb2.DecideRequest.FromString(request)
    return decision_pb2.DecideStreamRequest(decision=decision).SerializeToString()


# --- the servers ---


@contextlib.contextmanager
def controller(site: Path, core: int) -> Generator[str]:
    """`stopline serve` on one core; gives its address."""
    log = site.with_suffix(".log").open("w")
    command = [sys.executable, "-m", "stopline_controller", str(site)]
    with _process(command, core, stderr=log) as process:
        serving = site.parent / "state" / "serving.json"
        deadline = time.monotonic() + 30
        while not serving.exists():
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(site.with_suffix(".log").read_text())
            time.sleep(0.02)
        yield str(json.loads(serving.read_text())["address"])


@contextlib.contextmanager
def echo_server(folder: Path, core: int) -> Generator[str]:
    """The echo on one core; gives its address."""
    command = [sys.executable, "-m", "benchmarks._rpc", "echo", "--folder", str(folder)]
    with _process(command, core, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"


@contextlib.contextmanager
def _process(command: Sequence[str], core: int, **streams: Any) -> Generator[subprocess.Popen[Any]]:
    process = subprocess.Popen(command, preexec_fn=lambda: settle(core), **streams)  # noqa: PLW1509  # one thread
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def settle(core: int) -> None:
    """Run on one core and before everything ordinary, so that other work on the machine is not measured."""
    os.sched_setaffinity(0, {core})
    with contextlib.suppress(OSError):
        # Below the control thread (10), which goes first in the field as well.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))


def write_site(folder: Path, name: str, model: bytes | None) -> Path:
    """A site of one junction behind mutual TLS that decides by a model (None: the shipped one)."""
    import tomli_w
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from stopline_controller.dev_ca import write_dev_certificates
    from stopline_controller.identity import Role
    from stopline_hil.example import crossroads
    from stopline_policy.bundle import SHIPPED, read_bundle, write_bundle
    from stopline_policy.manifest import MODEL_FILE
    from stopline_policy.signing import public_pem
    from stopline_signals.table import plan_to_table

    folder = folder / name
    folder.mkdir()
    write_dev_certificates(folder, [], [("client", Role.ENGINEER)], datetime.timedelta(days=1))
    (folder / "plan.toml").write_text(tomli_w.dumps(plan_to_table(crossroads("A"))))
    policy: dict[str, Any] = {"bundle": "shipped"}
    if model is not None:
        key = Ed25519PrivateKey.generate()
        write_bundle(folder / "own.bundle", read_bundle(SHIPPED).manifest, {MODEL_FILE: model}, key)
        (folder / "key.pub.pem").write_bytes(public_pem(key.public_key()))
        policy = {"bundle": "own.bundle", "trusted_keys": ["key.pub.pem"]}
    tls = {"certificate": "controller.pem", "key": "controller.key", "client_ca": "ca.pem"}
    site = {
        "controller": {"listen": "127.0.0.1:0", "tls": tls},
        "policy": policy,
        "limits": {"decisions_per_s": 1e6},
        "junction": [{"id": "A", "plan": "plan.toml", "cabinet": {"driver": "memory"}}],
    }
    path = folder / "site.toml"
    path.write_text(tomli_w.dumps(site))
    return path


def small_model() -> bytes:
    """A policy of a few microseconds: a linear map of the first 128 of the observation's figures."""
    from onnx import TensorProto, helper, numpy_helper

    from stopline_policy.bundle import SHIPPED, read_bundle

    manifest = read_bundle(SHIPPED).manifest
    weights = np.random.default_rng(1).random((SMALL_INPUT, manifest.max_stages), np.float32)
    constants = {
        "weights": weights,
        "first": np.array([0]),
        "last": np.array([SMALL_INPUT]),
        "axis": np.array([1]),
    }
    rows = [("observation", manifest.observation_size), ("scores", manifest.max_stages)]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]) for name, width in rows]
    nodes = [
        helper.make_node("Slice", ["observation", "first", "last", "axis"], ["part"]),
        helper.make_node("MatMul", ["part", "weights"], ["scores"]),
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "small", values[:1], values[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    return bytes(model.SerializeToString())


def requests() -> dict[str, bytes]:
    """One request of each kind of input."""
    from stopline_hil.example import crossroads
    from stopline_policy.bundle import SHIPPED, read_bundle

    size = read_bundle(SHIPPED).manifest.observation_size
    observation = np.random.default_rng(2).random(size, np.float32).tobytes()
    readings = bytes((3, 1) * len(crossroads("A").detectors))
    made = {"observation": {"observation": observation}, "readings": {"readings": readings}}
    return {
        name: decision_pb2.DecideRequest(junction_id="A", sequence=1, **value).SerializeToString()
        for name, value in made.items()
    }


async def _measure(address: str, echo: str, folder: Path, request: bytes, blocks: int) -> dict[str, float]:
    credentials = grpc.ssl_channel_credentials(
        (folder / "ca.pem").read_bytes(),
        (folder / "client.key").read_bytes(),
        (folder / "client.pem").read_bytes(),
    )
    found: dict[str, float] = {}
    async with (
        grpc.aio.secure_channel(address, credentials) as ours,
        grpc.aio.secure_channel(echo, credentials) as plain,
    ):
        await _ready(ours)
        for stream, calls in ((False, 300), (True, 600)):
            ratio, base = await compare(plain, ours, request, stream=stream, blocks=blocks, calls=calls)
            kind = "stream" if stream else "unary"
            found |= {f"{kind}_p50": ratio.p50, f"{kind}_p99": ratio.p99, f"{kind}_echo_us": base}
    return found


async def _ready(channel: grpc.aio.Channel) -> None:
    """Wait until the cabinet has answered."""
    stub: Any = junction_pb2_grpc.JunctionServiceStub(channel)
    for _ in range(200):
        answer = await stub.ListJunctions(junction_pb2.ListJunctionsRequest())
        if answer.junctions[0].stage >= 0:
            return
        await asyncio.sleep(0.05)
    raise RuntimeError("the cabinet does not answer")


def run(
    blocks: int, cases: Sequence[str] = ("cheap observation", "cheap readings", "shipped readings")
) -> dict[str, Any]:
    """All cases: policy (cheap or shipped) and input."""
    found: dict[str, Any] = {}
    kinds = requests()
    with tempfile.TemporaryDirectory() as place:
        for case in cases:
            policy, _, kind = case.partition(" ")
            folder = Path(place)
            site = folder / policy / "site.toml"
            if not site.exists():
                site = write_site(folder, policy, small_model() if policy == "cheap" else None)
            with controller(site, 0) as address, echo_server(site.parent, 0) as echo:
                found[case] = asyncio.run(_measure(address, echo, site.parent, kinds[kind], blocks))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the echo, or measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("echo", "measure"))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--blocks", type=int, default=15)
    options = parser.parse_args(arguments)
    if options.what == "echo":
        import uvloop

        uvloop.run(serve_echo(options.folder))
        return
    settle(1)
    print(json.dumps(run(options.blocks)))


if __name__ == "__main__":
    main()
