"""Writes what a controller needs to take over virtual cabinets: site file and signal plans."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, cast

from stopline_signals.plan import SignalPlan
from stopline_signals.table import plan_to_table


class Post(NamedTuple):
    """One cabinet to control: its plan, where it listens, and the driver for it."""

    plan: SignalPlan
    host: str
    port: int
    device_id: int = 1
    driver: str = "modbus"
    options: Mapping[str, object] = {}
    """Further entries of the driver."""


def write_site(
    folder: Path,
    posts: Iterable[Post],
    *,
    clock_rate: float = 1.0,
    listen: str = "127.0.0.1:0",
    bundle: str = "shipped",
) -> Path:
    """Write `site.toml` and `plans/*.toml` for virtual cabinets; returns the site file's path.

    `bundle` is the policy: "shipped", "none", or a path.
    """
    (folder / "plans").mkdir(parents=True, exist_ok=True)
    lines = [
        "# A controller for virtual cabinets: run it with `stopline serve site.toml`.",
        "[controller]",
        f"listen = {_inline(listen)}",
        "insecure = true",
        f"clock_rate = {float(clock_rate)!r}",
        "",
        "[policy]",
        f"bundle = {_inline(bundle)}",
    ]
    for number, post in enumerate(posts):
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", post.plan.junction)[:60]
        file = f"plans/{number:03d}_{name}.toml"
        (folder / file).write_text(plan_to_toml(post.plan), encoding="utf-8")
        address = f"[{post.host}]:{post.port}" if ":" in post.host else f"{post.host}:{post.port}"
        cabinet: dict[str, object] = {"driver": post.driver, "address": address}
        if post.driver == "modbus":
            cabinet["device_id"] = post.device_id
        cabinet |= post.options
        lines += ["", "[[junction]]", f"id = {_inline(post.plan.junction)}", f"plan = {_inline(file)}"]
        lines.append(f"cabinet = {_inline(cabinet)}")
    path = folder / "site.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def plan_to_toml(plan: SignalPlan) -> str:
    """A signal plan as TOML, the form `plan_from_table` reads back."""
    table = plan_to_table(plan)
    plain = [f"{key} = {_inline(value)}" for key, value in table.items() if not _is_rows(value)]
    blocks: list[str] = []
    for key, rows in table.items():
        if _is_rows(rows):
            for row in rows:
                blocks += ["", f"[[{key}]]", *(f"{name} = {_inline(value)}" for name, value in row.items())]
    return "\n".join([*plain, *blocks]) + "\n"


def _is_rows(value: object) -> bool:
    rows = cast("list[object]", value) if isinstance(value, list) else []
    return bool(rows) and all(isinstance(row, dict) for row in rows)


def _inline(value: object) -> str:
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, object]", value).items()
        return "{ " + ", ".join(f"{_key(key)} = {_inline(entry)}" for key, entry in entries) + " }"
    if isinstance(value, list | tuple):
        rows = cast("list[object] | tuple[object, ...]", value)
        return "[" + ", ".join(_inline(entry) for entry in rows) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
