"""The policy bundle: a directory or zip with ``bundle.json``, ``bundle.sig`` and the files it pins.

``bundle.json`` carries the SHA-256 of every other file and is itself signed (Ed25519), so one
signature covers everything. Nothing is parsed before its signature or hash has been checked, and
files that ``bundle.json`` does not list are never read.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from stopline_policy.manifest import (
    MODEL_FILE,
    DetectorNeed,
    FileRecord,
    Manifest,
    manifest_from_bytes,
    manifest_to_bytes,
)
from stopline_policy.signing import default_trusted_keys, key_id, signer_of
from stopline_signals.errors import BundleError
from stopline_signals.observation import ENCODER_VERSION, MAX_GROUPS, MAX_STAGES, ObservationLayout
from stopline_signals.plan import Detector, DetectorKind, SignalPlan

MANIFEST_FILE = "bundle.json"
SIGNATURE_FILE = "bundle.sig"
SHIPPED = Path(__file__).parent / "_data" / "universal.bundle"
"""The bundle that comes with Stopline."""

MAX_FILE_BYTES = 64 * 1024 * 1024
ZONE_TOLERANCE_M = 5.0
"""How far a zone's edges may lie from where the policy was trained with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A verified bundle, in memory."""

    path: Path
    manifest: Manifest
    files: Mapping[str, bytes]
    sha256: str
    """Of ``bundle.json``: identifies the bundle, since that file pins all others."""
    signed_by: str
    """Id of the trusted key that signed it."""

    @property
    def model(self) -> bytes:
        """The ONNX model."""
        return self.files[MODEL_FILE]

    def check_feeds(self, plan: SignalPlan) -> None:
        """Raise BundleError when the plan cannot feed this policy: detectors or size."""
        limits = self.manifest
        if len(plan.groups) > limits.max_groups or len(plan.stages) > limits.max_stages:
            raise BundleError(
                f"junction {plan.junction}: {len(plan.groups)} groups and {len(plan.stages)} stages; bundle "
                f"{limits.name} takes up to {limits.max_groups} and {limits.max_stages}: leave out stages"
            )
        for need in limits.detectors:
            _check_need(plan, need, limits.name)


def read_bundle(path: Path | str, trusted_keys: Iterable[Ed25519PublicKey] | None = None) -> Bundle:
    """Read and verify a bundle; raises BundleError saying which check failed and what to do.

    Args:
        path: Directory or zip file.
        trusted_keys: Keys whose signature is accepted; by default the project's and the user's own.
    """
    path = Path(path)
    source = _open(path)
    raw = source.read(MANIFEST_FILE)
    signer = _check_signature(source, raw, default_trusted_keys() if trusted_keys is None else trusted_keys)
    manifest = manifest_from_bytes(raw, f"{path}/{MANIFEST_FILE}")
    _check_encoder(manifest, path)
    return Bundle(
        path=path,
        manifest=manifest,
        files={name: _checked(source, name, record) for name, record in manifest.files.items()},
        sha256=hashlib.sha256(raw).hexdigest(),
        signed_by=key_id(signer),
    )


def write_bundle(path: Path, manifest: Manifest, files: Mapping[str, bytes], key: Ed25519PrivateKey) -> None:
    """Write a signed bundle to a directory, or to a zip when ``path`` ends in ``.zip``.

    The records of ``manifest.files`` are computed here from ``files``.
    """
    records = {
        name: FileRecord(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
        for name, data in files.items()
    }
    raw = manifest_to_bytes(replace(manifest, files=records))
    content = {**files, MANIFEST_FILE: raw, SIGNATURE_FILE: key.sign(raw).hex().encode() + b"\n"}
    if path.suffix == ".zip":
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                archive.writestr(name, data)
        return
    path.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        (path / name).write_bytes(data)


class _Directory:
    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str) -> bytes:
        file = self.path / name
        if not file.is_file():
            raise _missing(self.path, name)
        if file.stat().st_size > MAX_FILE_BYTES:
            raise _too_large(self.path, name)
        return file.read_bytes()


class _Zip:
    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as archive:
                if archive.getinfo(name).file_size > MAX_FILE_BYTES:
                    raise _too_large(self.path, name)
                return archive.read(name)
        except KeyError:
            raise _missing(self.path, name) from None
        except (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, OSError, EOFError) as error:
            # RuntimeError: one flipped bit makes a file of an archive pass for an encrypted one.
            raise BundleError(f"{self.path}: damaged archive ({error}); copy or export it again") from error


def _open(path: Path) -> _Directory | _Zip:
    if path.is_dir():
        return _Directory(path)
    if path.is_file() and zipfile.is_zipfile(path):
        return _Zip(path)
    state = "is neither a directory nor a zip" if path.exists() else "does not exist"
    raise BundleError(f"{path}: {state}; give the path of a bundle made by `stopline export`")


def _missing(path: Path, name: str) -> BundleError:
    what = "unsigned bundle" if name == SIGNATURE_FILE else "incomplete bundle"
    return BundleError(f"{path}: {what}, {name} is not there; export it again with `stopline export`")


def _too_large(path: Path, name: str) -> BundleError:
    return BundleError(f"{path}: {name} is over {MAX_FILE_BYTES} bytes, more than any bundle needs; not read")


def _check_signature(
    source: _Directory | _Zip, raw: bytes, keys: Iterable[Ed25519PublicKey]
) -> Ed25519PublicKey:
    keys = list(keys)
    text = source.read(SIGNATURE_FILE)
    try:
        signature = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        raise BundleError(
            f"{source.path}: {SIGNATURE_FILE} is not a signature in hex; export again"
        ) from None
    signer = signer_of(signature, raw, keys)
    if signer is None:
        known = ", ".join(key_id(key) for key in keys) or "none"
        raise BundleError(
            f"{source.path}: {MANIFEST_FILE} is not signed by a trusted key (trusted: {known}); it was "
            "changed after signing, or signed elsewhere: then add that key's public half to the trusted keys"
        )
    return signer


def _check_encoder(manifest: Manifest, path: Path) -> None:
    if manifest.encoder_version != ENCODER_VERSION:
        raise BundleError(
            f"{path}: made for observation encoder {manifest.encoder_version}, this release has "
            f"{ENCODER_VERSION}; export the policy again with this one, or install the release that made it"
        )
    if manifest.max_groups > MAX_GROUPS or manifest.max_stages > MAX_STAGES:
        raise BundleError(f"{path}: wants more than {MAX_GROUPS} groups or {MAX_STAGES} stages; export again")
    if manifest.observation_size != ObservationLayout(manifest.max_groups, manifest.max_stages).size:
        raise BundleError(f"{path}: observation_size does not fit its groups and stages; export again")
    if MODEL_FILE not in manifest.files:
        raise BundleError(f"{path}: {MANIFEST_FILE} lists no {MODEL_FILE}; export again")


def _checked(source: _Directory | _Zip, name: str, record: FileRecord) -> bytes:
    if Path(name).name != name:
        raise BundleError(f"{source.path}: file name {name!r} leaves the bundle; do not use this bundle")
    data = source.read(name)
    if len(data) != record.size or hashlib.sha256(data).hexdigest() != record.sha256:
        raise BundleError(
            f"{source.path}: {name} does not match its hash in {MANIFEST_FILE}; copy the bundle again"
        )
    return data


def _check_need(plan: SignalPlan, need: DetectorNeed, bundle: str) -> None:
    for index, group in enumerate(plan.groups):
        if group.kind not in need.groups:
            continue
        own = [
            detector for detector in plan.detectors if detector.group == index and detector.kind is need.kind
        ]
        if not any(_matches(detector, need) for detector in own):
            found = ", ".join(f"{d.start_m:g}-{d.end_m:g} m" for d in own) or "none"
            raise BundleError(
                f"junction {plan.junction}, group {group.name}: bundle {bundle} needs a "
                f"{need.kind.value} {need.start_m:g}-{need.end_m:g} m, found {found}; fit one "
                "there, or take another bundle"
            )


def _matches(detector: Detector, need: DetectorNeed) -> bool:
    if need.kind is DetectorKind.BUTTON:
        return True
    edges = (detector.start_m - need.start_m, detector.end_m - need.end_m)
    return all(abs(edge) <= ZONE_TOLERANCE_M for edge in edges)
