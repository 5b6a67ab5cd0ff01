"""Certificates: what they say about their holder, and the server's own, renewed without a restart."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, cast

import grpc
import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from stopline_controller.identity import Identity, Role
from stopline_controller.site_tables import TlsTable
from stopline_signals.errors import SiteError

log = structlog.get_logger(__name__)

ROLE_URI = "urn:stopline:role:"
WARN_DAYS = 30
"""Days before its end from which a certificate is an alarm."""


class Facts(NamedTuple):
    """What a client's certificate says; `problem` is empty when it can be served."""

    identity: Identity | None
    not_after: float
    """Seconds since 1970 UTC."""
    problem: str = ""


@lru_cache(maxsize=4096)
def facts_of(pem: bytes) -> Facts:
    """Name and role of a certificate the TLS library has verified already."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        return Facts(None, 0.0, f"unreadable certificate: {error}")
    end = certificate.not_valid_after_utc.timestamp()
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    roles = _roles(certificate)
    if len(names) != 1 or not str(names[0].value):
        return Facts(None, end, "the certificate needs exactly one common name: who this is")
    if len(roles) != 1:
        known = ", ".join(f"{ROLE_URI}{role}" for role in Role)
        return Facts(
            None, end, f"the certificate needs exactly one role as subject alternative name: {known}"
        )
    return Facts(Identity(str(names[0].value), roles[0], True), end)


class ServerCertificate:
    """The server's key and certificate, read anew when their files change."""

    def __init__(self, folder: Path, table: TlsTable) -> None:
        """Read the files; SiteError when one is missing or key and certificate do not belong together."""
        self._paths = [folder / path for path in (table.key, table.certificate, table.client_ca)]
        self._seen: list[int] = self._stamps()
        self._content = self._read()
        self.not_after = _end(self._content[1])
        """When it ends."""
        self._failing = False

    def credentials(self) -> grpc.ServerCredentials:
        """Mutual TLS in which every new connection gets the newest certificate."""
        # None, "as before", is a documented answer of the fetcher that its stubs leave out.
        renewed = cast("Callable[[], grpc.ServerCertificateConfiguration]", self._renewed)
        return grpc.dynamic_ssl_server_credentials(self._configuration(), renewed, True)

    def alarm(self, now: datetime.datetime) -> str:
        """What is to be said about its end; empty while that is far off."""
        end = self.not_after
        if end <= now:
            return (
                f"the server certificate expired on {end:%Y-%m-%d}: new clients are refused; renew its file"
            )
        days = (end - now).days
        return f"the server certificate ends on {end:%Y-%m-%d}; renew its file" if days < WARN_DAYS else ""

    def _renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """The configuration for the next connection, None when nothing changed; called by gRPC's threads."""
        try:
            stamps = self._stamps()
            if stamps == self._seen:
                return None
            self._content, self._seen = self._read(), stamps
            self.not_after = _end(self._content[1])
        except (SiteError, OSError) as error:
            if not self._failing:
                log.error("certificate_not_renewed", error=str(error))
            self._failing = True
            return None
        self._failing = False
        log.info("certificate_renewed", not_after=self.not_after.isoformat())
        return self._configuration()

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        key, chain, authority = self._content
        return grpc.ssl_server_certificate_configuration([(key, chain)], authority)

    def _stamps(self) -> list[int]:
        return [path.stat().st_mtime_ns if path.exists() else 0 for path in self._paths]

    def _read(self) -> list[bytes]:
        content = [_pem(path) for path in self._paths]
        try:
            certificate = x509.load_pem_x509_certificate(content[1])
            key = load_pem_private_key(content[0], None)
            x509.load_pem_x509_certificates(content[2])
        except (ValueError, TypeError, InvalidSignature) as error:
            raise SiteError(f"[controller.tls]: {self._paths[1].parent}: unreadable: {error}") from error
        if key.public_key() != certificate.public_key():
            raise SiteError(f"{self._paths[0]} is not the key of {self._paths[1]}; both in [controller.tls]")
        return content


def _end(pem: bytes) -> datetime.datetime:
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


def _roles(certificate: x509.Certificate) -> list[Role]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    said = [uri.removeprefix(ROLE_URI) for uri in uris if uri.startswith(ROLE_URI)]
    return [Role(role) for role in said if role in set(Role)]


def _pem(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SiteError(
            f"{path}: cannot be read ({error.strerror}); it is named in [controller.tls]"
        ) from error
