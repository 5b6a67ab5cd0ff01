"""What serving a site needs besides its file: certificates, keys and libraries, looked at without serving."""

from __future__ import annotations

import datetime
import importlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from stopline_controller.certificates import ServerCertificate
from stopline_controller.site_tables import SiteTables, TlsTable
from stopline_controller.tracing import REMEDY

Lack = tuple[tuple[str, ...], str]
"""An entry of the site file, and what is wrong with what it needs."""
Loaded = TypeVar("Loaded")


def lacks(folder: Path, tables: SiteTables) -> Iterator[Lack]:
    """What would keep the controller from starting; `folder` is the site file's."""
    if tables.controller.tls is not None:
        yield from _tls(folder, tables.controller.tls)
    for entry, module, extra in _libraries(tables):
        try:
            importlib.import_module(module)
        except ImportError as error:
            yield (entry,), f"needs {module}, which cannot be used ({error}): pip install '{extra}'"


def notes(folder: Path, tables: SiteTables, now: datetime.datetime) -> Iterator[str]:
    """What is worth knowing and keeps nothing from starting; the files of [controller.tls] must be good."""
    if tables.controller.tls is not None:
        alarm = ServerCertificate(folder, tables.controller.tls).alarm(now)
        if alarm:
            yield alarm
    if tables.tracing is not None and not _installed("opentelemetry.sdk"):
        yield f"[tracing] does nothing, OpenTelemetry is not installed: {REMEDY}"


def _tls(folder: Path, table: TlsTable) -> Iterator[Lack]:
    chain = _file(folder / table.certificate, x509.load_pem_x509_certificates)
    key = _file(folder / table.key, lambda pem: load_pem_private_key(pem, None))
    authority = _file(folder / table.client_ca, x509.load_pem_x509_certificates)
    for name, found in (("certificate", chain), ("key", key), ("client_ca", authority)):
        if isinstance(found, str):
            yield ("controller", "tls", name), found
    if isinstance(chain, str) or isinstance(key, str):
        return
    if key.public_key() != chain[0].public_key():
        yield ("controller", "tls", "key"), f"{table.key} is not the key of {table.certificate}"


def _file(path: Path, load: Callable[[bytes], Loaded]) -> Loaded | str:
    """What is in a file, or why it cannot be used."""
    try:
        return load(path.read_bytes())
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror})"
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        return f"{path}: is not the unencrypted PEM it should be ({error})"


def _libraries(tables: SiteTables) -> Iterator[tuple[str, str, str]]:
    """Entry, module and what brings it: those that are loaded only where a site asks for them."""
    if tables.v2x is not None:
        yield "v2x", "pycrate_asn1dir.ITS_IS", "stopline[v2x]"
    if tables.metrics is not None:
        yield "metrics", "prometheus_client", "stopline"
    if tables.policy.bundle != "none":
        yield "policy", "onnxruntime", "stopline"


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False
