"""The JSON schema of a plan file, made from the dataclasses that hold a plan.

`python -m stopline_signals.schema` prints it; `docs/plan.schema.json` is that output, for editors of TOML.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, fields
from enum import StrEnum
from typing import Any, cast, get_args, get_origin, get_type_hints

from stopline_signals import plan as plan_parts
from stopline_signals.ring_barrier import Overlap, Pattern, Phase

Schema = dict[str, Any]

_TENTHS: Schema = {"type": "integer", "minimum": 0, "maximum": 36000, "description": "tenths of a second"}
_LONG_TENTHS: Schema = {**_TENTHS, "maximum": 655350}
_OFFSET: Schema = {"type": "integer", "description": "tenths of a second"}
_TIME_FIELDS = {
    *("min_green", "max_green", "max_red", "yellow", "walk", "clearance", "passage", "red", "ped_clear"),
    *("ped_max_red", "crossing_time", "green_at"),
}
_PREEMPT_TIMES = {"delay", "min_duration", "max_presence", "enter_yellow", "enter_red"}
_WRITTEN_OUT = ("group", "stage", "intergreen", "yields", "program", "rings")
"""What a ring-barrier section stands for, and so must not stand beside it."""
_NAME: Schema = {"type": "string", "minLength": 1}
_NUMBERS: Schema = {"type": "array", "items": {"type": "integer"}}


def plan_schema() -> Schema:
    """The schema of a plan table, in stage form or with a `[ring_barrier]` section."""
    properties: Schema = {
        "junction": _NAME,
        "source": {"type": "string", "description": "where the plan comes from"},
        "benchmark_only": {"type": "boolean", "description": "may be simulated, never served"},
        "red_revert": _TENTHS,
        "startup_red": _TENTHS,
        "group": _rows(_group()),
        "stage": _rows(_stage()),
        "intergreen": _rows(_intergreen(), least=0),
        "yields": _rows(_closed({"group": _name("group"), "to": _names("group")}, ("group",)), least=0),
        "detector": _rows(_part(plan_parts.Detector, {"group": _name("group")}), least=0),
        "program": _program(),
        "preempt": _rows(_preempt(), least=0),
        "path": _rows(_path(), least=0),
        "rings": {"type": "array", "items": {"type": "array", "items": _names("group")}},
        "ring_barrier": _ring_barrier(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stopline signal plan",
        "description": "Times are whole tenths of a second, lengths metres, speeds metres per second.",
        **_closed(properties, ("junction",)),
        "oneOf": [
            {"required": ["group", "stage"]},
            {"required": ["ring_barrier"], "not": {"anyOf": [{"required": [key]} for key in _WRITTEN_OUT]}},
        ],
    }


def schema_text() -> str:
    """The schema as it stands in the documentation."""
    return json.dumps(plan_schema(), indent=2, ensure_ascii=False) + "\n"


def _group() -> Schema:
    return _part(plan_parts.SignalGroup, {"oncoming": _names("group")})


def _stage() -> Schema:
    return _closed(
        {"name": _NAME, "protected": _names("group"), "permissive": _names("group")},
        ("name",),
        plan_parts.Stage,
    )


def _intergreen() -> Schema:
    values = {"type": "object", "additionalProperties": {**_TENTHS, "minimum": -1}}
    return _closed({"ending": _name("group"), "starting": values}, ("ending", "starting"))


def _program() -> Schema:
    steps = _rows(_part(plan_parts.ProgramStep, {"stage": _name("stage")}))
    cycle = {**_TENTHS, "minimum": 1, "maximum": 1_000_000}
    return _closed({"cycle": cycle, "offset": _OFFSET, "step": steps}, ("cycle", "step"))


def _preempt() -> Schema:
    stages = {"dwell": _name("stage"), "track_clear": _name("stage"), "exit_stages": _names("stage")}
    return _part(plan_parts.Preempt, {**stages, **dict.fromkeys(_PREEMPT_TIMES, _LONG_TENTHS)})


def _path() -> Schema:
    return _part(plan_parts.ConflictPath, {"ending": _name("group"), "starting": _name("group")})


def _ring_barrier() -> Schema:
    lists = {"type": "array", "items": _NUMBERS}
    splits = {"type": "object", "propertyNames": {"pattern": "^[0-9]+$"}, "additionalProperties": _TENTHS}
    properties: Schema = {
        "rings": {"type": "array", "items": lists, "minItems": 1},
        "concurrency": {"type": "array", "items": {**_NUMBERS, "minItems": 2, "maxItems": 2}},
        "ped_buffer": _TENTHS,
        "phase": _rows(_part(Phase, {})),
        "overlap": _rows(_part(Overlap, {}), least=0),
        "pattern": _part(
            Pattern, {"splits": splits, "cycle": {**_TENTHS, "minimum": 1}}, optional={"offset"}
        ),
    }
    return _closed(properties, ("rings", "phase"))


def _part(kind: type, special: Mapping[str, Schema], optional: Collection[str] = ()) -> Schema:
    """An object with the fields of a dataclass; those without a default are required."""
    hints = get_type_hints(kind)
    properties = {
        entry.name: special.get(entry.name) or _entry(entry, hints[entry.name]) for entry in fields(kind)
    }
    required = [e.name for e in fields(kind) if e.default is MISSING and e.name not in optional]
    return _closed(properties, required, kind)


def _entry(entry: Field[Any], hint: Any) -> Schema:
    found: Schema
    if entry.name in _TIME_FIELDS:
        found = {**_TENTHS}
    elif isinstance(hint, type) and issubclass(hint, StrEnum):
        found = {"enum": [str(value) for value in hint]}
    elif get_origin(hint) is tuple:
        found = {"type": "array", "items": {"type": _TYPES[get_args(hint)[0]]}}
    else:
        found = {"type": _TYPES[hint]}
    if entry.default is not MISSING:
        found["default"] = _plain(entry.default)
    return found


def _plain(default: object) -> object:
    if isinstance(default, tuple):
        return list(cast(tuple[object, ...], default))
    return str(default) if isinstance(default, StrEnum) else default


_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}


def _closed(properties: Schema, required: Any, kind: type | None = None) -> Schema:
    """An object that knows no other keys, described by the first line of a docstring."""
    head = {"description": (kind.__doc__ or "").partition("\n")[0]} if kind else {}
    return {
        **head,
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _rows(items: Schema, least: int = 1) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


def _name(what: str) -> Schema:
    return {"type": "string", "description": f"name of a {what}"}


def _names(what: str) -> Schema:
    return {"type": "array", "items": _name(what)}


if __name__ == "__main__":
    print(schema_text(), end="")
