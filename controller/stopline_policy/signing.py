"""Ed25519 keys and signatures of bundles.

A bundle is trusted when one of the trusted keys signed its ``bundle.json``. Trusted by default are the
project keys shipped with this package and the public half of the user's own local key, which
``stopline export`` makes on first use. A private key never becomes part of a bundle or of a package.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from stopline_signals.errors import BundleError

PROJECT_KEYS = Path(__file__).parent / "_data" / "keys"
PUBLIC_SUFFIX = ".pub.pem"


def local_key_path() -> Path:
    """Where the user's own signing key lives: ``$XDG_CONFIG_HOME/stopline/keys/local.pem``."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "stopline" / "keys" / "local.pem"


def create_key(path: Path) -> Ed25519PrivateKey:
    """Make a private key (mode 0600) and its public half beside it; never overwrites."""
    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private)
    path.with_suffix(PUBLIC_SUFFIX).write_bytes(public_pem(key.public_key()))
    return key


def load_or_create_key(path: Path | None = None) -> Ed25519PrivateKey:
    """The private key at ``path``, or the local key; made when it is not there yet."""
    path = path or local_key_path()
    if not path.exists():
        return create_key(path)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise BundleError(
            f"{path}: not a readable private key ({error}); give an Ed25519 key in PEM"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BundleError(f"{path}: not an Ed25519 key; make one with `stopline export --key NEW.pem`")
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """Read one public key in PEM; raises BundleError naming the file."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{path}: not a readable public key ({error}); give an Ed25519 key in PEM"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise BundleError(f"{path}: not an Ed25519 public key")
    return key


def default_trusted_keys() -> list[Ed25519PublicKey]:
    """The project's keys and, when there is one, the user's own."""
    paths = sorted(PROJECT_KEYS.glob(f"*{PUBLIC_SUFFIX}"))
    local = local_key_path().with_suffix(PUBLIC_SUFFIX)
    return [load_public_key(path) for path in (*paths, local) if path.exists()]


def key_id(key: Ed25519PublicKey) -> str:
    """First 16 hex digits of the raw public key: enough to tell keys apart in messages."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return raw.hex()[:16]


def public_pem(key: Ed25519PublicKey) -> bytes:
    """The public key as PEM."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def signer_of(signature: bytes, content: bytes, keys: Iterable[Ed25519PublicKey]) -> Ed25519PublicKey | None:
    """The first key whose signature this is, or None."""
    for key in keys:
        try:
            key.verify(signature, content)
        except InvalidSignature:
            continue
        return key
    return None
