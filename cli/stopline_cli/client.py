"""What all clients of a controller share: the channel, and how a refusal is told."""

from __future__ import annotations

from typing import Self

import grpc

from stopline_cli.connection import Connection
from stopline_signals.errors import StoplineError


class CentreError(StoplineError):
    """The controller could not be reached, or refused; carries its words."""


class Client:
    """Calls to one controller; used as a context, in which every refusal becomes a CentreError."""

    def __init__(self, connection: Connection | str) -> None:
        """A bare address is a plaintext connection."""
        where = Connection(connection) if isinstance(connection, str) else connection
        self._address = where.address
        self._channel = where.channel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._channel.close()
        if isinstance(error, grpc.RpcError):
            raise self._explained(error) from error

    def _explained(self, error: grpc.RpcError) -> CentreError:
        code, details = getattr(error, "code", None), getattr(error, "details", None)
        if code is None or details is None:
            return CentreError(f"{self._address}: {error}")
        if code() is grpc.StatusCode.UNAVAILABLE:
            return CentreError(
                f"no controller answers at {self._address} ({details()}); is `stopline serve` running there, "
                "and does it want a certificate (--ca, --cert)?"
            )
        return CentreError(f"{self._address}: {details()}")
