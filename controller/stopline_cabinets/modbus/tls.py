"""Modbus/TCP Security: the same frames inside TLS, both ends known by certificate.

Port 802 by the specification. What pymodbus calls a TLS client takes each TLS record for one whole frame and
fails when one is split or two come together; `TlsClient` reads the stream as the specification has it.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple

from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.transport import CommParams, CommType

from stopline_signals.errors import CabinetError

PORT = 802


class Credentials(NamedTuple):
    """PEM files: this end's certificate chain, its key, and the authority whose certificates count."""

    certificate: Path
    key: Path
    authority: Path


def tls_context(credentials: Credentials, *, server: bool = False) -> ssl.SSLContext:
    """Mutual TLS 1.2 or later; a controller also checks that the certificate is the cabinet's address.

    Raises:
        CabinetError: a file is missing or does not fit, by name.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    for file in credentials:
        if not file.is_file():
            raise CabinetError(f"{file}: there is no such file; it is needed for Modbus over TLS")
    try:
        context.load_verify_locations(credentials.authority)
        context.load_cert_chain(credentials.certificate, credentials.key)
    except (ssl.SSLError, OSError) as error:
        raise CabinetError(
            f"{credentials.certificate}, {credentials.key}, {credentials.authority}: {error}; "
            "are they PEM, and is the key the certificate's?"
        ) from error
    return context


class TlsClient(AsyncModbusTcpClient):
    """pymodbus's client over TLS, with the framing of a stream."""

    def __init__(self, host: str, context: ssl.SSLContext, *, port: int, name: str, timeout: float) -> None:
        # The parent takes parameters of a connection that are there already.
        self.comm_params = CommParams(
            comm_type=CommType.TLS,
            host=host,
            port=port,
            sslctx=context,
            comm_name=name,
            reconnect_delay=0,
            reconnect_delay_max=0,
            timeout_connect=timeout,
        )
        super().__init__("", framer=FramerType.SOCKET, retries=0, name=name)
