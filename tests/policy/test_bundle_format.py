"""A bundle is refused for every kind of damage, with a message that says what to do."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from stopline_policy.bundle import MANIFEST_FILE, SIGNATURE_FILE, read_bundle
from stopline_policy.manifest import MODEL_FILE
from stopline_policy.sample_plans import sample_plans
from stopline_policy.signing import create_key, default_trusted_keys, load_or_create_key, load_public_key
from stopline_signals.errors import BundleError
from stopline_signals.observation import ENCODER_VERSION
from stopline_signals.plan import Detector, DetectorKind
from tests.policy.conftest import MakeBundle

Keys = list[Ed25519PublicKey]


@pytest.fixture
def trusted(key: Ed25519PrivateKey) -> Keys:
    return [key.public_key()]


@pytest.mark.parametrize("name", ["tiny.bundle", "tiny.zip"])
def test_a_written_bundle_reads_back(make_bundle: MakeBundle, trusted: Keys, name: str) -> None:
    bundle = read_bundle(make_bundle(name), trusted)
    assert bundle.manifest.name == "tiny"
    assert bundle.manifest.training == {"seeds": [1]}
    assert bundle.manifest.detectors[0].end_m == 50
    assert len(bundle.model) == bundle.manifest.files[MODEL_FILE].size


def test_directory_and_zip_have_the_same_identity(make_bundle: MakeBundle, trusted: Keys) -> None:
    first, second = (read_bundle(make_bundle(name), trusted) for name in ("a.bundle", "b.zip"))
    assert first.sha256 == second.sha256


@pytest.mark.parametrize("file", [MODEL_FILE, MANIFEST_FILE, SIGNATURE_FILE])
@pytest.mark.parametrize("where", [0.0, 0.5, 0.99])
def test_a_flipped_byte_anywhere_is_refused(
    make_bundle: MakeBundle, trusted: Keys, file: str, where: float
) -> None:
    path = make_bundle()
    data = bytearray((path / file).read_bytes())
    # Bit 0 of a hex digit or letter stays a character of the same alphabet often enough to get past parsing.
    data[int(where * (len(data) - 2))] ^= 1
    (path / file).write_bytes(data)
    with pytest.raises(BundleError):
        read_bundle(path, trusted)


def test_any_flipped_bit_of_an_archive_is_harmless_or_refused(make_bundle: MakeBundle, trusted: Keys) -> None:
    """One in a file's flags makes it pass for encrypted, which is a RuntimeError to zipfile."""
    path = make_bundle("tiny.zip")
    content = path.read_bytes()
    sound, refused = read_bundle(path, trusted), 0
    directory = range(content.index(b"PK\x01\x02"), len(content))
    for at in directory:
        for bit in range(8):
            path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
            try:
                assert read_bundle(path, trusted).files == sound.files
            except BundleError:
                refused += 1
    assert refused > len(directory)


@pytest.mark.parametrize("file", [MODEL_FILE, MANIFEST_FILE, SIGNATURE_FILE])
def test_a_missing_file_is_named(make_bundle: MakeBundle, trusted: Keys, file: str) -> None:
    path = make_bundle()
    (path / file).unlink()
    with pytest.raises(BundleError, match=file):
        read_bundle(path, trusted)


def test_an_unsigned_bundle_says_so(make_bundle: MakeBundle, trusted: Keys) -> None:
    path = make_bundle()
    (path / SIGNATURE_FILE).unlink()
    with pytest.raises(BundleError, match="unsigned"):
        read_bundle(path, trusted)


def test_a_signature_of_a_strange_key_is_refused(make_bundle: MakeBundle) -> None:
    stranger = Ed25519PrivateKey.generate().public_key()
    with pytest.raises(BundleError, match="not signed by a trusted key"):
        read_bundle(make_bundle(), [stranger])
    with pytest.raises(BundleError, match="trusted: none"):
        read_bundle(make_bundle(), [])


def test_the_signature_of_another_bundle_is_refused(make_bundle: MakeBundle, trusted: Keys) -> None:
    path = make_bundle("a.bundle")
    other = make_bundle("b.bundle", decision_interval=7.0)
    (path / SIGNATURE_FILE).write_bytes((other / SIGNATURE_FILE).read_bytes())
    with pytest.raises(BundleError, match="not signed"):
        read_bundle(path, trusted)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 99}, "format_version 99"),
        ({"encoder_version": ENCODER_VERSION + 1}, "encoder"),
        ({"observation_size": 7}, "observation_size"),
        ({"max_stages": 64}, "16 stages"),
    ],
)
def test_other_versions_are_refused_even_when_well_signed(
    make_bundle: MakeBundle, trusted: Keys, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        read_bundle(make_bundle(**changes), trusted)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 3),
        ("decision_interval", 0),
        ("decision_interval", True),
        ("detectors", [{"kind": "sonar", "groups": [], "start_m": 0, "end_m": 1}]),
        ("detectors", [{"kind": "near_zone", "groups": [], "start_m": -1, "end_m": 1}]),
        ("files", {"policy.onnx": 5}),
        ("training", None),
    ],
)
def test_a_wrong_field_is_named(
    make_bundle: MakeBundle, trusted: Keys, key: Ed25519PrivateKey, field: str, value: object
) -> None:
    path = make_bundle()
    table = json.loads((path / MANIFEST_FILE).read_bytes())
    table[field] = value
    _rewrite(path, table, key)
    with pytest.raises(BundleError, match=field):
        read_bundle(path, trusted)


def test_a_file_name_cannot_leave_the_bundle(
    make_bundle: MakeBundle, trusted: Keys, key: Ed25519PrivateKey, tmp_path: Path
) -> None:
    path = make_bundle()
    (tmp_path / "outside").write_bytes(b"x")
    table = json.loads((path / MANIFEST_FILE).read_bytes())
    table["files"]["../outside"] = {"sha256": "0" * 64, "size": 1}
    _rewrite(path, table, key)
    with pytest.raises(BundleError, match="leaves the bundle"):
        read_bundle(path, trusted)


def test_no_bundle_at_all(tmp_path: Path, trusted: Keys) -> None:
    with pytest.raises(BundleError, match="does not exist"):
        read_bundle(tmp_path / "nothing", trusted)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(BundleError, match="neither a directory nor a zip"):
        read_bundle(tmp_path / "text", trusted)
    (tmp_path / "other.bundle").mkdir()
    with pytest.raises(BundleError, match=MANIFEST_FILE):
        read_bundle(tmp_path / "other.bundle", trusted)


def test_a_damaged_zip_is_refused(make_bundle: MakeBundle, trusted: Keys) -> None:
    path = make_bundle("tiny.zip")
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BundleError):
        read_bundle(path, trusted)


def test_an_oversized_entry_is_not_read(
    make_bundle: MakeBundle, trusted: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stopline_policy.bundle.MAX_FILE_BYTES", 10)
    for name in ("tiny.bundle", "tiny.zip"):
        with pytest.raises(BundleError, match="over 10 bytes"):
            read_bundle(make_bundle(name), trusted)


def test_a_bundle_for_other_detectors_is_refused(make_bundle: MakeBundle, trusted: Keys) -> None:
    bundle = read_bundle(make_bundle(), trusted)
    plan = sample_plans()[0]
    bundle.check_feeds(plan)
    loops = tuple(
        Detector(d.name, d.kind, d.group, 0.0, 6.0) if d.kind is DetectorKind.NEAR_ZONE else d
        for d in plan.detectors
    )
    with pytest.raises(BundleError, match=r"group main.*near_zone 0-50 m, found 0-6 m"):
        bundle.check_feeds(replace(plan, detectors=loops))
    buttonless = tuple(d for d in plan.detectors if d.kind is not DetectorKind.BUTTON)
    with pytest.raises(BundleError, match=r"group walk.*button"):
        bundle.check_feeds(replace(plan, detectors=buttonless))


def test_a_junction_too_large_for_the_bundle_is_refused(make_bundle: MakeBundle, trusted: Keys) -> None:
    bundle = read_bundle(make_bundle(), trusted)
    small = replace(bundle, manifest=replace(bundle.manifest, max_groups=2))
    with pytest.raises(BundleError, match="3 groups"):
        small.check_feeds(sample_plans()[0])


def test_keys_are_private_and_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    before = len(default_trusted_keys())
    key = load_or_create_key()
    path = tmp_path / "stopline" / "keys" / "local.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create_key().private_bytes_raw() == key.private_bytes_raw()
    assert len(default_trusted_keys()) == before + 1
    with pytest.raises(FileExistsError):
        create_key(path)


def test_unreadable_keys_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nonsense")
    with pytest.raises(BundleError, match=r"bad\.pem"):
        load_or_create_key(tmp_path / "bad.pem")
    with pytest.raises(BundleError, match=r"bad\.pem"):
        load_public_key(tmp_path / "bad.pem")


def test_a_zip_holds_exactly_the_three_files(make_bundle: MakeBundle) -> None:
    with zipfile.ZipFile(make_bundle("tiny.zip")) as archive:
        assert set(archive.namelist()) == {MODEL_FILE, MANIFEST_FILE, SIGNATURE_FILE}


def _rewrite(path: Path, table: dict[str, object], key: Ed25519PrivateKey) -> None:
    raw = json.dumps(table).encode()
    (path / MANIFEST_FILE).write_bytes(raw)
    (path / SIGNATURE_FILE).write_text(key.sign(raw).hex())
