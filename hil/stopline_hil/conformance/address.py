"""Addresses of cabinets as URLs: `modbus://host:port?device_id=1`, `ntcip://host:port?community=public`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from stopline_cabinets.modbus.tls import Credentials, tls_context
from stopline_cabinets.snmp.codec import Version
from stopline_hil.conformance.modbus import ModbusSubject
from stopline_hil.conformance.ntcip import NtcipSubject
from stopline_hil.conformance.subject import Subject
from stopline_signals.errors import StoplineError
from stopline_signals.plan import SignalPlan


class AddressError(StoplineError):
    """An address that names no cabinet, and how one looks."""


def subject_at(address: str, plan: SignalPlan, *, rate: float = 1.0) -> Subject:
    """The cabinet at an address, which should run `plan`; `rate` over 1 is a virtual one's clock.

    Raises:
        AddressError: says what is wrong with the address.
        CabinetError: a TLS file does not fit.
    """
    found = urlsplit(address)
    if found.scheme not in _SCHEMES:
        raise AddressError(f"{address}: begin it with {' or '.join(f'{name}://' for name in _SCHEMES)}")
    make, default, known = _SCHEMES[found.scheme]
    options = dict(parse_qsl(found.query, keep_blank_values=True))
    for name in options:
        if name not in known:
            raise AddressError(f"{address}: has no option {name!r}; there are {', '.join(known)}")
    try:
        host, port = found.hostname, found.port or default
    except ValueError as error:
        raise AddressError(f"{address}: {error}") from error
    if not host or found.path.strip("/"):
        raise AddressError(f"{address}: an address is {found.scheme}://host:port?option=value")
    try:
        return make(host, port, options, plan, rate)
    except ValueError as error:
        raise AddressError(f"{address}: {error}") from error


def _modbus(host: str, port: int, options: Mapping[str, str], plan: SignalPlan, rate: float) -> Subject:
    tls = None
    if any(name.startswith("tls_") for name in options):
        files = [Path(options.get(name, "")) for name in ("tls_certificate", "tls_key", "tls_ca")]
        tls = tls_context(Credentials(*files))
    device = int(options.get("device_id", "1"))
    return ModbusSubject(host, port, plan, device=device, tls=tls, rate=rate)


def _ntcip(host: str, port: int, options: Mapping[str, str], plan: SignalPlan, rate: float) -> Subject:
    versions = {"1": Version.V1, "2c": Version.V2C}
    version = options.get("version")
    if version is not None and version not in versions:
        raise ValueError(f"version {version!r}; this suite speaks {' and '.join(versions)}")
    return NtcipSubject(
        host,
        port,
        plan,
        profile=options.get("profile", "auto"),
        version=None if version is None else versions[version],
        read_community=options.get("community"),
        write_community=options.get("write_community"),
        rate=rate,
    )


_Make = Callable[[str, int, Mapping[str, str], SignalPlan, float], Subject]
_SCHEMES: Mapping[str, tuple[_Make, int, tuple[str, ...]]] = {
    "modbus": (_modbus, 502, ("device_id", "tls_certificate", "tls_key", "tls_ca")),
    "ntcip": (_ntcip, 161, ("community", "write_community", "version", "profile")),
}
