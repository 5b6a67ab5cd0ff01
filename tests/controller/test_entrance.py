"""Whatever is added to the server stands behind the gate, also what nobody wrote a row for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from stopline_controller.access import Gate
from stopline_controller.site_tables import LimitsTable

UNLISTED = "/stopline.v1.Unlisted/"


async def _one(request: bytes, context: Any) -> bytes:
    return request


async def _many(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request


async def test_a_method_without_a_row_lets_nobody_through() -> None:
    server = grpc.aio.server()
    handlers: dict[str, Any] = {
        "One": grpc.unary_unary_rpc_method_handler(_one),
        "Many": grpc.stream_stream_rpc_method_handler(_many),
    }
    gate = Gate(LimitsTable(), secure=False)
    entrance = gate.before(server)
    entrance.add_registered_method_handlers("stopline.v1.Unlisted", handlers)
    generic = grpc.method_handlers_generic_handler("stopline.v1.OnlyGeneric", handlers)
    entrance.add_generic_rpc_handlers((generic,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
            channel: Any = opened  # generic in its stubs
            assert await _code(channel.unary_unary(UNLISTED + "One")(b"x")) == "PERMISSION_DENIED"
            stream = channel.stream_stream(UNLISTED + "Many")(iter([b"x"]))
            assert await _code(stream.read()) == "PERMISSION_DENIED"
            unguarded = channel.unary_unary("/stopline.v1.OnlyGeneric/One")(b"x")
            assert await _code(unguarded) == "UNIMPLEMENTED", "the way around the gate is closed"
    finally:
        await server.stop(0)
    assert gate.refused == 2
    assert gate.streams.count() == 0


async def test_where_certificates_are_needed_nobody_passes_without_one() -> None:
    """TLS refuses them before; the gate does not rely on that."""
    server = grpc.aio.server()
    handlers: dict[str, Any] = {"ListJunctions": grpc.unary_unary_rpc_method_handler(_one)}
    gate = Gate(LimitsTable(), secure=True)
    gate.before(server).add_registered_method_handlers("stopline.v1.JunctionService", handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
            channel: Any = opened  # generic in its stubs
            call = channel.unary_unary("/stopline.v1.JunctionService/ListJunctions")(b"x")
            assert await _code(call) == "UNAUTHENTICATED"
    finally:
        await server.stop(0)


async def _code(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code().name
