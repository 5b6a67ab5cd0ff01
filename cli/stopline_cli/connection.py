"""Where the controller is and with which certificate to speak to it: options shared by all its clients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from stopline_signals.errors import StoplineError

if TYPE_CHECKING:
    import grpc

DEFAULT_ADDRESS = "127.0.0.1:50061"

AddressOption = Annotated[str, typer.Option(help="host:port of the controller.", envvar="STOPLINE_ADDRESS")]
CaOption = Annotated[
    Path | None,
    typer.Option(
        help="Authority of the controller's certificate (PEM); with it the connection is mutual TLS.",
        envvar="STOPLINE_CA",
        show_default=False,
    ),
]
CertOption = Annotated[
    Path | None, typer.Option(help="Your certificate (PEM).", envvar="STOPLINE_CERT", show_default=False)
]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        help="Your key (PEM); by default beside the certificate.", envvar="STOPLINE_KEY", show_default=False
    ),
]


class Connection(NamedTuple):
    """An address and, for mutual TLS, the files of authority, certificate and key."""

    address: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def channel(self) -> grpc.Channel:
        """Open it; StoplineError when a file is missing."""
        import grpc

        if self.ca is None and self.cert is None:
            return grpc.insecure_channel(self.address)
        if self.ca is None or self.cert is None:
            raise StoplineError("mutual TLS needs --ca and --cert (and --key unless it lies beside --cert)")
        key = self.key or self.cert.with_suffix(".key")
        try:
            content = [path.read_bytes() for path in (self.ca, key, self.cert)]
        except OSError as error:
            raise StoplineError(f"{error.filename}: cannot be read ({error.strerror})") from error
        return grpc.secure_channel(self.address, grpc.ssl_channel_credentials(*content))
