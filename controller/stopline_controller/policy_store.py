"""Versions of the policy on disk: which bundles there are, which was in charge when, and why.

A folder with one zip per version and `policies.json`, written anew and renamed soon after every change; what
a kill leaves unwritten is taken from the audit log. A disk that refuses it costs the memory of the change,
never the change: an alarm stands until it is written.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from stopline_controller.alarms import Alarms
from stopline_controller.audit_chain import Record
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
CONTROLLER = "controller"
"""Who acts when nobody asked."""
ACTIVATED, ROLLED_BACK, SHADOW_ENDED = "policy-activated", "policy-rolled-back", "policy-shadow-ended"
"""Kinds of audit records that `catch_up` takes in."""
SHADOW_FAILED = "failed in shadow: "
"""How the reason begins for which the controller itself ends a shadow."""
UPLOAD = "upload-"
"""How the name of a folder begins that holds a bundle while it is being sent."""
DAMAGED = "damaged: "
"""How the reason begins for which a version whose copy cannot be read is nobody's successor."""


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
    blame: str = ""
    """In shadow: why it was rolled back before; empty when it was not."""

    def settled(self) -> Version:
        """The same as it is once it is out of shadow: being tried there clears no roll-back."""
        if self.state is not State.SHADOW:
            return self
        if self.blame:
            return replace(self, state=State.ROLLED_BACK, reason=self.blame, blame="")
        return replace(self, state=State.LOADED)


class Page(NamedTuple):
    """What is to be written of a moment, and which versions are gone since."""

    text: str
    forgotten: Sequence[str]


class PolicyStore:
    """The versions and who was in charge.

    Its user keeps `page` and what changes versions to one thread at a time, and likewise `write` and what
    reads or copies bundles: those two may overlap.
    """

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
        self.unsaved = False
        """Whether something changed that is not written yet."""
        self.audited: int | None = None
        """The audit record up to which the history on disk knows everything; None: it does not say."""
        self._keys = None if keys is None else list(keys)
        self._alarms = alarms
        folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        self._read()

    def upload(self) -> tempfile.TemporaryDirectory[str]:
        """A folder for a bundle that is being sent; what a kill leaves of it goes at the next start."""
        return tempfile.TemporaryDirectory(prefix=UPLOAD, dir=self.folder)

    def copy(self, bundle: Bundle) -> None:
        """Have a copy of a verified bundle; PolicyError when the disk refuses it or it changed meanwhile.

        A copy that is there is read whole: one that is damaged is replaced.
        """
        target = self._path(bundle.sha256)
        if self._whole(bundle.sha256):
            return
        try:
            _copy(bundle, target)
            copied = self.read(target)
        except (OSError, zipfile.BadZipFile, BundleError) as error:
            target.unlink(missing_ok=True)
            raise PolicyError(f"bundle {bundle.manifest.name} cannot be kept: {error}") from error
        if copied.sha256 != bundle.sha256:
            target.unlink(missing_ok=True)
            raise PolicyError(f"{bundle.path}: changed while it was copied; load it again")

    def enter(self, bundle: Bundle, by: str) -> Version:
        """Note a version, whether or not there is a copy of it; one that is known stays what it is.

        Only what was set aside as damaged comes back: loading it again is what repairs it.
        """
        self.unsaved = True
        known = self.versions.get(bundle.sha256)
        if known is not None:
            if known.state is State.ROLLED_BACK and known.reason.startswith(DAMAGED):
                self.mark(bundle.sha256, State.LOADED, f"was damaged, loaded again by {by}")
            return self.versions[bundle.sha256]
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
        """Read and verify a bundle from elsewhere, by the keys trusted here; BundleError otherwise."""
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
        self.unsaved = True
        if sha256 in self.versions:
            before = self.versions[sha256].settled()
            blame = before.reason if state is State.SHADOW and before.state is State.ROLLED_BACK else ""
            wall = time.time_ns() // 1000
            version = replace(before, state=state, reason=reason, blame=blame, changed_us=wall)
            self.versions[sha256] = version

    def end_shadow(self, sha256: str, reason: str) -> None:
        """Note that a version is out of shadow: loaded, or rolled back as it was before."""
        settled = self.versions[sha256].settled()
        self.mark(sha256, settled.state, settled.reason if settled.state is State.ROLLED_BACK else reason)

    def put_in_charge(self, sha256: str, reason: str, ousted: str) -> None:
        """Note who is in charge from now on; `ousted` is why the one before, unless rolled back, is not."""
        before = self.charge[-1] if self.charge else LOCAL
        if before in self.versions and self.versions[before].state is State.ACTIVE:
            self.mark(before, State.LOADED, ousted)
        if self.charge[-1:] != [sha256]:
            self.charge.append(sha256)
        self.mark(sha256, State.ACTIVE, reason)

    def catch_up(self, records: Iterable[Record]) -> None:
        """Take in what was recorded after `audited`: a kill may leave it unwritten here."""
        for record in records:
            if record.kind == SHADOW_ENDED:
                detail = json.loads(record.detail)
                if detail["reason"].startswith(SHADOW_FAILED):
                    self.mark(detail["bundle"], State.ROLLED_BACK, detail["reason"])
            elif record.kind in (ACTIVATED, ROLLED_BACK):
                self._repeat(record.kind, record.actor, json.loads(record.detail))

    def _repeat(self, kind: str, who: str, detail: Mapping[str, str]) -> None:
        before, reason = detail["before"], detail["reason"]
        if who != CONTROLLER:
            self.alarm = ""
        if kind == ROLLED_BACK:
            self.mark(before, State.ROLLED_BACK, why_rolled_back(who, reason))
            if who == CONTROLLER and before in self.versions:
                self.alarm = rolled_back_alarm(self.versions[before].name, detail["name"], reason)
        self.put_in_charge(detail["bundle"], reason, f"{kind.removeprefix('policy-')} by {who}: {reason}")

    def before(self) -> Sequence[str]:
        """Who may take over: those in charge before the one that is, latest first, down to nobody."""
        past = [sha for sha in reversed(self.charge) if sha != self.charge[-1]]
        until_local = past[: past.index(LOCAL)] if LOCAL in past else past
        known = [self.versions[sha].settled() for sha in dict.fromkeys(until_local) if sha in self.versions]
        return [*(v.sha256 for v in known if v.state is not State.ROLLED_BACK), LOCAL]

    def page(self, audited: int) -> Page:
        """Take what `write` is to write; `audited` is the latest audit record taken in."""
        del self.charge[:-REMEMBERED]
        forgotten = self._forget()
        self.unsaved = False
        content = {
            "site": self.site,
            "charge": self.charge,
            "alarm": self.alarm,
            "audited": audited,
            "versions": [_row(version) for version in self.versions.values()],
        }
        return Page(json.dumps(content, indent=1), forgotten)

    def write(self, page: Page) -> None:
        """Write the history, which may take its time; a disk that refuses raises an alarm."""
        written = write_whole(self._file, page.text)
        for sha in page.forgotten:
            self._path(sha).unlink(missing_ok=True)
        if not written:
            self.unsaved = True
        self._alarms.set(ALARM, "" if written else "the policy's history cannot be written; free disk space")

    @property
    def _file(self) -> Path:
        return self.folder / "policies.json"

    def _sweep(self) -> None:
        """Remove what a kill left half sent or half written; a disk that refuses keeps it."""
        for folder in self.folder.glob(f"{UPLOAD}*/"):
            log.info("upload_left_over", path=str(folder))
            shutil.rmtree(folder, ignore_errors=True)
        for file in self.folder.glob("*.new"):
            with contextlib.suppress(OSError):
                file.unlink()

    def _path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.zip"

    def _read(self) -> None:
        if not self._file.exists():
            return
        try:
            table: Any = json.loads(self._file.read_text())
            rows = [replace(Version(**row), state=State(row["state"])) for row in table["versions"]]
            # No shadow survives a stop, though older releases wrote that there was one.
            self.versions = {row.sha256: row.settled() for row in rows}
            self.audited = table.get("audited")
            self.site, self.charge, self.alarm = table["site"], list(table["charge"]), table["alarm"]
        except (OSError, ValueError, TypeError, KeyError) as error:
            aside = self._file.with_suffix(".damaged")
            self._file.replace(aside)
            log.error("policy_history_damaged", kept_as=str(aside), error=repr(error))
            self.versions, self.site, self.charge, self.alarm = {}, LOCAL, [], ""

    def _whole(self, sha256: str) -> bool:
        try:
            self.bundle(sha256)
        except BundleError:
            return False
        return True

    def _forget(self) -> Sequence[str]:
        """Drop the oldest versions beyond those kept, but none that is in use or next in line."""
        needed = {*self.charge[-2:], *self.before()[:1], self.site}
        idle = [
            sha
            for sha, version in self.versions.items()
            if sha not in needed and version.state in (State.LOADED, State.ROLLED_BACK)
        ]
        forgotten = idle[: max(len(self.versions) - KEPT, 0)]
        for sha in forgotten:
            del self.versions[sha]
        return forgotten


def why_rolled_back(who: str, reason: str) -> str:
    """What stands beside a version that was rolled back."""
    return reason if who == CONTROLLER else f"rolled back by {who}: {reason}"


def rolled_back_alarm(name: str, to: str, reason: str) -> str:
    """What operators are told when the controller rolled a policy back."""
    return f"policy {name} was rolled back to {to}: {reason}"


def _row(version: Version) -> dict[str, object]:
    row = asdict(version.settled())
    del row["blame"]
    return row


def _copy(bundle: Bundle, target: Path) -> None:
    """Write the files of a bundle, and only those it lists, as a zip; OSError, BadZipFile."""
    names = [MANIFEST_FILE, SIGNATURE_FILE, *bundle.manifest.files]
    beside = target.with_suffix(".new")
    try:
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
            if bundle.path.is_dir():
                for name in names:
                    archive.write(bundle.path / name, name)
            else:
                with zipfile.ZipFile(bundle.path) as source:
                    for name in names:
                        archive.writestr(name, source.read(name))
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
