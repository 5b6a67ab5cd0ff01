"""``bundle.json``: what a policy bundle says about itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from stopline_signals.errors import BundleError
from stopline_signals.plan import DetectorKind, GroupKind

FORMAT = "stopline-bundle"
FORMAT_VERSION = 1
MODEL_FILE = "policy.onnx"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorNeed:
    """One detector that every group of these kinds must have."""

    kind: DetectorKind
    groups: tuple[GroupKind, ...]
    start_m: float = 0.0
    """Nearest edge of the zone, metres upstream of the stop line."""
    end_m: float = 0.0
    """Farthest edge; 0 for a push button."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """Fingerprint of one file of the bundle."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The content of ``bundle.json``, checked."""

    name: str
    created: str
    """UTC, ISO 8601."""
    encoder_version: int
    max_groups: int
    max_stages: int
    observation_size: int
    decision_interval: float
    """Seconds."""
    detectors: tuple[DetectorNeed, ...]
    files: Mapping[str, FileRecord]
    training: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Provenance: command, configuration, seeds, time."""
    evaluation: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Figures measured before shipping."""
    format_version: int = FORMAT_VERSION


def manifest_to_bytes(manifest: Manifest) -> bytes:
    """The exact bytes that are written and signed."""
    table = {
        "format": FORMAT,
        "format_version": manifest.format_version,
        "name": manifest.name,
        "created": manifest.created,
        "encoder_version": manifest.encoder_version,
        "max_groups": manifest.max_groups,
        "max_stages": manifest.max_stages,
        "observation_size": manifest.observation_size,
        "decision_interval": manifest.decision_interval,
        "detectors": [_need_to_table(need) for need in manifest.detectors],
        "files": {name: {"sha256": f.sha256, "size": f.size} for name, f in sorted(manifest.files.items())},
        "training": dict(manifest.training),
        "evaluation": dict(manifest.evaluation),
    }
    return json.dumps(table, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def manifest_from_bytes(raw: bytes, where: str) -> Manifest:
    """Read ``bundle.json``; raises BundleError naming the field at fault."""
    try:
        table: Any = json.loads(raw)
    except ValueError as error:
        raise BundleError(f"{where}: not JSON ({error}); export the bundle again") from error
    if not isinstance(table, dict) or cast("dict[str, Any]", table).get("format") != FORMAT:
        raise BundleError(f"{where}: not a Stopline bundle (field 'format' is not {FORMAT!r})")
    fields = _Fields(cast("dict[str, Any]", table), where)
    version = fields.take("format_version", int)
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{where}: format_version {version} is not readable here (this release reads {FORMAT_VERSION}); "
            "export the bundle with this release of Stopline"
        )
    return Manifest(
        name=fields.take("name", str),
        created=fields.take("created", str),
        encoder_version=fields.take("encoder_version", int),
        max_groups=fields.take("max_groups", int),
        max_stages=fields.take("max_stages", int),
        observation_size=fields.take("observation_size", int),
        decision_interval=fields.number("decision_interval"),
        detectors=tuple(_need_from_table(row) for row in fields.rows("detectors")),
        files={name: _file_from_table(row) for name, row in fields.tables("files").items()},
        training=cast("dict[str, Any]", fields.take("training", dict)),
        evaluation=cast("dict[str, Any]", fields.take("evaluation", dict)),
    )


class _Fields:
    """Typed access to a JSON object; every failure names the file and the field."""

    def __init__(self, table: dict[str, Any], where: str) -> None:
        self._table = table
        self._where = where

    def take(self, name: str, kind: Callable[..., _T]) -> _T:
        value = self._table.get(name)
        wanted = cast("type[_T]", kind)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise BundleError(
                f"{self._where}: field '{name}' is missing or not {wanted.__name__}; export again"
            )
        return value

    def number(self, name: str) -> float:
        value = self._table.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise BundleError(f"{self._where}: field '{name}' is not a positive number; export again")
        return float(value)

    def rows(self, name: str) -> list[_Fields]:
        rows = cast("list[Any]", self.take(name, list))
        return [self._child(f"{name}[{index}]", row) for index, row in enumerate(rows)]

    def tables(self, name: str) -> dict[str, _Fields]:
        tables = cast("dict[str, Any]", self.take(name, dict))
        return {key: self._child(f"{name}.{key}", value) for key, value in tables.items()}

    def word(self, name: str, kind: Callable[[str], _T]) -> _T:
        value = self.take(name, str)
        try:
            return kind(value)
        except ValueError as error:
            raise BundleError(f"{self._where}: field '{name}': {error}; export again") from error

    def words(self, name: str, kind: Callable[[str], _T]) -> tuple[_T, ...]:
        try:
            return tuple(kind(str(word)) for word in cast("list[Any]", self.take(name, list)))
        except ValueError as error:
            raise BundleError(f"{self._where}: field '{name}': {error}; export again") from error

    def metres(self, name: str) -> float:
        value = self._table.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise BundleError(f"{self._where}: field '{name}' is not a distance in metres; export again")
        return float(value)

    def _child(self, name: str, value: object) -> _Fields:
        if not isinstance(value, dict):
            raise BundleError(f"{self._where}: field '{name}' is not an object; export again")
        return _Fields(cast("dict[str, Any]", value), f"{self._where}: {name}")


def _need_to_table(need: DetectorNeed) -> dict[str, Any]:
    return {
        "kind": need.kind.value,
        "groups": [kind.value for kind in need.groups],
        "start_m": need.start_m,
        "end_m": need.end_m,
    }


def _need_from_table(row: _Fields) -> DetectorNeed:
    return DetectorNeed(
        kind=row.word("kind", DetectorKind),
        groups=row.words("groups", GroupKind),
        start_m=row.metres("start_m"),
        end_m=row.metres("end_m"),
    )


def _file_from_table(row: _Fields) -> FileRecord:
    return FileRecord(sha256=row.take("sha256", str), size=row.take("size", int))
