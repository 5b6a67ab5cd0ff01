"""How the services refuse: one place, so that every refusal carries a status and a remedy."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, NoReturn

import grpc

Context = grpc.aio.ServicerContext[Any, Any]


async def refuse(context: Context, code: grpc.StatusCode, message: str) -> NoReturn:
    """End the call with a status."""
    await context.abort(code, message)
    raise AssertionError("abort returned")


async def known_junction(context: Context, junction: str, known: Container[str]) -> str:
    """The junction, if this controller has it; NOT_FOUND otherwise."""
    if junction not in known:
        await refuse(
            context,
            grpc.StatusCode.NOT_FOUND,
            f"no junction {junction!r} here; ListJunctions names those there are",
        )
    return junction
