"""The engineers' calls to a controller about its policies, and their rows to print."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from stopline.v1 import policy_pb2, policy_pb2_grpc
from stopline_cli.client import Client
from stopline_cli.connection import Connection
from stopline_signals.errors import BundleError

PIECE = 15 * 1024
"""Bytes in one message: below the smallest request size a site can set."""


class PolicyClient(Client):
    """Loads policies and puts them in charge; every refusal is a CentreError."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._policies = policy_pb2_grpc.PolicyServiceStub(self._channel)

    def versions(self) -> list[policy_pb2.PolicyVersion]:
        """All versions, newest first."""
        return list(self._policies.ListPolicies(policy_pb2.ListPoliciesRequest()).versions)

    def load(self, bundle: Path) -> policy_pb2.PolicyVersion:
        """Send a bundle, a directory or a zip."""
        return self._policies.LoadPolicy(pieces(zipped(bundle))).version

    def shadow(self, version: str, operator: str) -> policy_pb2.ShadowPolicyResponse:
        """Put a version in shadow; empty ends it."""
        request = policy_pb2.ShadowPolicyRequest(bundle_sha256=version, operator=operator)
        return self._policies.ShadowPolicy(request)

    def activate(
        self, version: str, operator: str, reason: str, again: bool
    ) -> policy_pb2.ActivatePolicyResponse:
        """Put a version in charge."""
        return self._policies.ActivatePolicy(
            policy_pb2.ActivatePolicyRequest(
                bundle_sha256=version, operator=operator, reason=reason, again=again
            )
        )

    def roll_back(self, operator: str, reason: str) -> policy_pb2.RollBackPolicyResponse:
        """Put the version before in charge again."""
        request = policy_pb2.RollBackPolicyRequest(operator=operator, reason=reason)
        return self._policies.RollBackPolicy(request)


def row(version: policy_pb2.PolicyVersion) -> dict[str, object]:
    """One version as a row of a table."""
    return {
        "version": version.bundle_sha256[:12],
        "name": version.name,
        "state": _state(version),
        "loaded_by": version.loaded_by,
        "changed_utc": version.changed_at.ToDatetime().isoformat(sep=" ", timespec="seconds"),
        "figures": "; ".join(_figures(version)),
        "reason": version.reason,
    }


def full(version: policy_pb2.PolicyVersion) -> dict[str, object]:
    """One version with all that is known, for programs."""
    from google.protobuf.json_format import MessageToDict

    table: dict[str, object] = MessageToDict(
        version, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {**table, "state": _state(version)}


def in_charge(version: policy_pb2.PolicyVersion | None, audit_sequence: int) -> dict[str, object]:
    """What decides now, as a row."""
    return {
        "in_charge": version.name if version else "local plans",
        "version": version.bundle_sha256[:12] if version else "",
        "audit_sequence": audit_sequence,
    }


def zipped(bundle: Path) -> bytes:
    """A bundle as the bytes of a zip."""
    if bundle.is_file():
        return bundle.read_bytes()
    if not bundle.is_dir():
        raise BundleError(f"{bundle}: does not exist; give the path of a bundle made by `stopline export`")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(bundle.iterdir()):
            if path.is_file():
                archive.write(path, path.name)
    return packed.getvalue()


def pieces(data: bytes) -> Iterator[policy_pb2.LoadPolicyRequest]:
    """The messages that carry it."""
    for start in range(0, len(data), PIECE):
        yield policy_pb2.LoadPolicyRequest(chunk=data[start : start + PIECE])


def _state(version: policy_pb2.PolicyVersion) -> str:
    return policy_pb2.PolicyState.Name(version.state).removeprefix("POLICY_STATE_").replace("_", " ").lower()


def _figures(version: policy_pb2.PolicyVersion) -> Iterator[str]:
    if version.HasField("figures"):
        found = version.figures
        yield f"{found.decisions} decisions, {found.guard_interventions} changed by the guard"
        yield f"{found.failures} failed"
        if found.windows:
            yield f"stand {found.queue_delay_s:.0f} s, local plan {found.local_queue_delay_s:.0f} s"
    if version.HasField("shadow"):
        share = version.shadow.agreed / max(version.shadow.compared, 1)
        yield f"{version.shadow.compared} compared, {share:.0%} the same, {version.shadow.failures} failed"
