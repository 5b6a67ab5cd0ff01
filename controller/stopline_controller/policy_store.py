"""Versions of the policy on disk: which bundles there are, which was in charge when, and why.

A folder with one zip per version and `policies.json`, written anew and renamed at every change. A disk that
refuses it costs the memory of the change, never the change: an alarm stands until it is written.
"""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from stopline_controller.alarms import Alarms
from stopline_controller.files import write_whole
from stopline_policy.bundle import MANIFEST_FILE, SIGNATURE_FILE, Bundle, read_bundle
from stopline_signals.errors import BundleError, StoplineError

log = structlog.get_logger(__name__)

KEPT = 10
"""Versions kept; beyond that the oldest that is not needed for a roll-back goes."""
REMEMBERED = 50
"""Changes of who is in charge that are kept for rolling back."""
LOCAL = ""
"""Stands for the local plans where a version's SHA-256 would."""
ALARM = "policy versions"


class PolicyError(StoplineError):
    """A change of the policy that was refused, saying why and what to do."""


class State(StrEnum):
    """What a version is doing."""

    LOADED = "loaded"
    SHADOW = "shadow"
    ACTIVE = "active"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of the policy; times in microseconds since 1970 UTC."""

    sha256: str
    name: str
    interval: float
    signed_by: str
    loaded_by: str
    loaded_us: int
    changed_us: int
    state: State = State.LOADED
    reason: str = ""


class PolicyStore:
    """The versions and who was in charge; its user keeps it to one thread at a time."""

    def __init__(self, folder: Path, keys: Iterable[Ed25519PublicKey] | None, alarms: Alarms) -> None:
        """Read what is there; a history that cannot be read is set aside and begun anew."""
        self.folder = folder
        self.versions: dict[str, Version] = {}
        """By SHA-256, the one loaded first comes first."""
        self.charge: list[str] = []
        """Who was in charge, one after the other; the last one is."""
        self.site = LOCAL
        """The version the site file named when it was read last."""
        self.alarm = ""
        """What operators are to be told until an engineer acts."""
        self._keys = None if keys is None else list(keys)
        self._alarms = alarms
        self._unwritten = False
        folder.mkdir(parents=True, exist_ok=True)
        self._read()

    def keep(self, bundle: Bundle, by: str) -> Version:
        """Keep a copy of a verified bundle; PolicyError when the disk refuses it or it changed meanwhile."""
        known = self.versions.get(bundle.sha256)
        if known is not None and self._path(bundle.sha256).exists():
            return known
        target = self._path(bundle.sha256)
        try:
            _copy(bundle, target)
            copied = self.read(target)
        except (OSError, BundleError) as error:
            target.unlink(missing_ok=True)
            raise PolicyError(f"bundle {bundle.manifest.name} cannot be kept: {error}") from error
        if copied.sha256 != bundle.sha256:
            target.unlink(missing_ok=True)
            raise PolicyError(f"{bundle.path}: changed while it was copied; load it again")
        return self.enter(bundle, by)

    def enter(self, bundle: Bundle, by: str) -> Version:
        """Note a version, whether or not there is a copy of it."""
        wall = time.time_ns() // 1000
        manifest = bundle.manifest
        self.versions[bundle.sha256] = version = Version(
            sha256=bundle.sha256,
            name=manifest.name,
            interval=manifest.decision_interval,
            signed_by=bundle.signed_by,
            loaded_by=by,
            loaded_us=wall,
            changed_us=wall,
        )
        return version

    def read(self, path: Path) -> Bundle:
        """Read and verify a bundle from elsewhere, by the keys trusted here."""
        return read_bundle(path, self._keys)

    def bundle(self, sha256: str) -> Bundle:
        """Read and verify the copy of a version; BundleError when it is damaged or gone."""
        bundle = self.read(self._path(sha256))
        if bundle.sha256 != sha256:
            raise BundleError(f"{bundle.path}: holds another bundle than its name says; load it again")
        return bundle

    def find(self, start: str) -> Version:
        """The version whose SHA-256 begins like this; PolicyError when none does, or several do."""
        found = [version for sha, version in self.versions.items() if start and sha.startswith(start)]
        if len(found) != 1:
            names = ", ".join(f"{v.sha256[:12]} {v.name}" for v in self.versions.values()) or "none"
            count = "several versions" if found else "no version"
            raise PolicyError(f"{count} {start!r}; loaded are: {names}")
        return found[0]

    def mark(self, sha256: str, state: State, reason: str) -> None:
        """Note what a version does from now on."""
        if sha256 in self.versions:
            wall = time.time_ns() // 1000
            version = replace(self.versions[sha256], state=state, reason=reason, changed_us=wall)
            self.versions[sha256] = version

    def before(self) -> Sequence[str]:
        """Who may take over: those in charge before the one that is, latest first, down to nobody."""
        past = [sha for sha in reversed(self.charge) if sha != self.charge[-1]]
        until_local = past[: past.index(LOCAL)] if LOCAL in past else past
        known = [self.versions[sha] for sha in dict.fromkeys(until_local) if sha in self.versions]
        return [*(v.sha256 for v in known if v.state is not State.ROLLED_BACK), LOCAL]

    def save(self) -> None:
        """Write the history; a disk that refuses raises an alarm, and `retry` tries again."""
        del self.charge[:-REMEMBERED]
        self._forget()
        text = json.dumps(
            {
                "site": self.site,
                "charge": self.charge,
                "alarm": self.alarm,
                "versions": [asdict(version) for version in self.versions.values()],
            },
            indent=1,
        )
        self._unwritten = not write_whole(self._file, text)
        problem = "the policy's history cannot be written; free disk space" if self._unwritten else ""
        self._alarms.set(ALARM, problem)

    def retry(self) -> None:
        """Write what a disk refused before."""
        if self._unwritten:
            self.save()

    @property
    def _file(self) -> Path:
        return self.folder / "policies.json"

    def _path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.zip"

    def _read(self) -> None:
        if not self._file.exists():
            return
        try:
            table: Any = json.loads(self._file.read_text())
            rows = [replace(Version(**row), state=State(row["state"])) for row in table["versions"]]
            self.versions = {row.sha256: row for row in rows}
            self.site, self.charge, self.alarm = table["site"], list(table["charge"]), table["alarm"]
        except (OSError, ValueError, TypeError, KeyError) as error:
            aside = self._file.with_suffix(".damaged")
            self._file.replace(aside)
            log.error("policy_history_damaged", kept_as=str(aside), error=repr(error))
            self.versions, self.site, self.charge, self.alarm = {}, LOCAL, [], ""

    def _forget(self) -> None:
        """Remove the oldest versions beyond those kept, but none that is in use or next in line."""
        needed = {*self.charge[-2:], *self.before()[:1], self.site}
        idle = [
            sha
            for sha, version in self.versions.items()
            if sha not in needed and version.state in (State.LOADED, State.ROLLED_BACK)
        ]
        for sha in idle[: max(len(self.versions) - KEPT, 0)]:
            del self.versions[sha]
            self._path(sha).unlink(missing_ok=True)


def _copy(bundle: Bundle, target: Path) -> None:
    """Write the files of a bundle, and only those it lists, as a zip."""
    if bundle.path == target:
        return
    names = [MANIFEST_FILE, SIGNATURE_FILE, *bundle.manifest.files]
    beside = target.with_suffix(".new")
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
        if bundle.path.is_dir():
            for name in names:
                archive.write(bundle.path / name, name)
        else:
            with zipfile.ZipFile(bundle.path) as source:
                for name in names:
                    archive.writestr(name, source.read(name))
    beside.replace(target)
