"""Off loopback the controller speaks mutual TLS only; here on loopback, with a small authority of our own."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stopline.v1 import junction_pb2, junction_pb2_grpc
from tests.controller.bench import ServeProcess
from tests.controller.sites import write_site


class Authority:
    """Signs certificates for 127.0.0.1."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(name, self.key.public_key(), self.key, name, is_authority=True)

    def issue(self, name: str) -> tuple[bytes, bytes]:
        """Key and certificate, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        certificate = self._sign(name, key.public_key(), self.key, str(issuer), is_authority=False)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return private, certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def _sign(
        self,
        name: str,
        public: ec.EllipticCurvePublicKey,
        key: ec.EllipticCurvePrivateKey,
        issuer: str,
        *,
        is_authority: bool,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(key, hashes.SHA256())
        )


def _call(address: str, credentials: grpc.ChannelCredentials | None) -> int:
    channel = grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address)
    with channel:
        stub = junction_pb2_grpc.JunctionServiceStub(channel)
        return len(stub.ListJunctions(junction_pb2.ListJunctionsRequest(), timeout=5).junctions)


def test_only_clients_with_a_certificate_of_the_authority_are_served(tmp_path: Path) -> None:
    authority, stranger = Authority("centre"), Authority("stranger")
    key, certificate = authority.issue("controller")
    for name, content in {"key.pem": key, "cert.pem": certificate, "ca.pem": authority.pem}.items():
        (tmp_path / name).write_bytes(content)
    site = write_site(
        tmp_path,
        controller='[controller.tls]\ncertificate = "cert.pem"\nkey = "key.pem"\nclient_ca = "ca.pem"',
    )
    site.write_text(site.read_text().replace("insecure = true\n", ""))
    with ServeProcess(site) as server:
        own = grpc.ssl_channel_credentials(authority.pem, *authority.issue("operator"))
        assert _call(server.address, own) == 1
        refused = {
            "no certificate": grpc.ssl_channel_credentials(authority.pem),
            "a stranger's": grpc.ssl_channel_credentials(authority.pem, *stranger.issue("operator")),
            "plaintext": None,
        }
        for what, credentials in refused.items():
            with pytest.raises(grpc.RpcError) as error:
                _call(server.address, credentials)
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE, what
