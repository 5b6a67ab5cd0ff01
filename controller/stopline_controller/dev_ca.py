"""A certificate authority of one's own: enough for a bench, a depot or a first installation.

Its key lies in a file beside the certificates. A city with an authority of its own uses that one instead; all
it has to do is to name the role (`certificates.ROLE_URI`) in each client's certificate.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stopline_controller.certificates import ROLE_URI
from stopline_controller.identity import Role
from stopline_signals.errors import StoplineError

CA_NAME = "ca"
SERVER_NAME = "controller"
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
CA_DAYS = 3650
BACKDATED = datetime.timedelta(minutes=5)
"""Certificates are good a little before they were made, for machines whose clock is behind."""


class CertificateError(StoplineError):
    """An authority that cannot be used, naming the file."""


class Pair(NamedTuple):
    """A private key and its certificate, both PEM."""

    key: bytes
    certificate: bytes


class Authority:
    """Issues certificates for one server and its clients."""

    def __init__(self, pair: Pair) -> None:
        """An authority from its own key and certificate."""
        self.pair = pair
        self._certificate = x509.load_pem_x509_certificate(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CertificateError("the authority's key is not an elliptic-curve key; make a new folder")
        self._key = key

    @classmethod
    def create(cls, name: str = "Stopline development") -> Authority:
        """A new authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, name, key.public_key(), _validity(datetime.timedelta(days=CA_DAYS)))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return cls(_pair(key, builder.sign(key, hashes.SHA256())))

    def server(self, hosts: Sequence[str], valid: datetime.timedelta) -> Pair:
        """A certificate for a controller reached under these names or addresses."""
        names = [_host(host) for host in dict.fromkeys((*LOCAL_HOSTS, *hosts))]
        return self._issue(SERVER_NAME, names, ExtendedKeyUsageOID.SERVER_AUTH, valid)

    def client(self, name: str, role: Role | str, valid: datetime.timedelta) -> Pair:
        """A certificate for a person or machine with a role."""
        names = [x509.UniformResourceIdentifier(f"{ROLE_URI}{role}")]
        return self._issue(name, names, ExtendedKeyUsageOID.CLIENT_AUTH, valid)

    def _issue(
        self,
        name: str,
        names: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        valid: datetime.timedelta,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = str(self._certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        builder = (
            _builder(name, issuer, key.public_key(), _validity(valid))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        return _pair(key, builder.sign(self._key, hashes.SHA256()))


def write_dev_certificates(
    folder: Path, hosts: Sequence[str], clients: Sequence[tuple[str, Role]], valid: datetime.timedelta
) -> list[Path]:
    """Write an authority, a server and the clients into a folder; returns the certificates' paths.

    An authority that is there is used again, so that a second run renews certificates and adds clients
    without cutting off those there are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    authority = _authority(folder)
    made = [_write(folder, CA_NAME, authority.pair)]
    made.append(_write(folder, SERVER_NAME, authority.server(hosts, valid)))
    made += [_write(folder, name, authority.client(name, role, valid)) for name, role in clients]
    return made


def _authority(folder: Path) -> Authority:
    key, certificate = folder / f"{CA_NAME}.key", folder / f"{CA_NAME}.pem"
    if not key.exists() and not certificate.exists():
        return Authority.create()
    try:
        return Authority(Pair(key.read_bytes(), certificate.read_bytes()))
    except (OSError, ValueError) as error:
        reason = f"{folder}: its authority cannot be used: {error}; take another folder"
        raise CertificateError(reason) from error


def _write(folder: Path, name: str, pair: Pair) -> Path:
    path = folder / f"{name}.pem"
    path.write_bytes(pair.certificate)
    # Made unreadable for others before the key is in it.
    number = os.open(folder / f"{name}.key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(pair.key)
    return path


def _builder(
    name: str,
    issuer: str,
    public: ec.EllipticCurvePublicKey,
    validity: tuple[datetime.datetime, datetime.datetime],
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
    )


def _validity(valid: datetime.timedelta) -> tuple[datetime.datetime, datetime.datetime]:
    now = datetime.datetime.now(datetime.UTC)
    return now - BACKDATED, now + valid


def _pair(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Pair:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(private, certificate.public_bytes(serialization.Encoding.PEM))


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
