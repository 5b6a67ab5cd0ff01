"""What SNMP can answer instead of a value, as types a caller can act on."""

from __future__ import annotations

from stopline_cabinets.errors import CabinetError, CabinetOffline, CabinetRefused, CabinetTimeout
from stopline_cabinets.snmp.codec import ErrorStatus, Oid, dotted

__all__ = [
    "BadValue",
    "CabinetOffline",
    "CabinetTimeout",
    "NoSuchName",
    "NotWritable",
    "SnmpRefused",
    "TooBig",
    "UnexpectedAnswer",
    "refusal",
]


class UnexpectedAnswer(CabinetError):
    """The agent answered, but not with the objects or the kinds of value that were asked for."""


class SnmpRefused(CabinetRefused):
    """The agent refused a whole PDU: `status` (RFC 3416) and, where it says so, the `oid` at fault."""

    def __init__(self, message: str, status: int, oid: Oid = ()) -> None:
        super().__init__(message)
        self.status = status
        self.oid = oid


class TooBig(SnmpRefused):
    """The answer does not fit into one message: ask for fewer objects at a time."""


class NoSuchName(SnmpRefused):
    """The agent does not have the object, or (v1) this community may not write it."""


class BadValue(SnmpRefused):
    """The value is outside what the agent takes."""


class NotWritable(SnmpRefused):
    """The object cannot be written: read-only, no access, or the wrong community."""


def refusal(where: str, status: int, oid: Oid = ()) -> SnmpRefused:
    """The error for an error status; `where` names the device."""
    try:
        name = ErrorStatus(status).name
    except ValueError:
        name = f"error {status}"
    about = f" at {dotted(oid)}" if oid else ""
    return _KINDS.get(status, SnmpRefused)(f"{where}: {name}{about}", status, oid)


_KINDS: dict[int, type[SnmpRefused]] = {
    ErrorStatus.TOO_BIG: TooBig,
    ErrorStatus.NO_SUCH_NAME: NoSuchName,
    ErrorStatus.NO_CREATION: NoSuchName,
    ErrorStatus.BAD_VALUE: BadValue,
    ErrorStatus.WRONG_TYPE: BadValue,
    ErrorStatus.WRONG_LENGTH: BadValue,
    ErrorStatus.WRONG_ENCODING: BadValue,
    ErrorStatus.WRONG_VALUE: BadValue,
    ErrorStatus.INCONSISTENT_VALUE: BadValue,
    ErrorStatus.READ_ONLY: NotWritable,
    ErrorStatus.NO_ACCESS: NotWritable,
    ErrorStatus.NOT_WRITABLE: NotWritable,
    ErrorStatus.AUTHORIZATION_ERROR: NotWritable,
    ErrorStatus.INCONSISTENT_NAME: NotWritable,
}
