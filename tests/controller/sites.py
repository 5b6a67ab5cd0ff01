"""Builds a complete site on disk: plan files, a tiny signed bundle and a site file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import tomlkit
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stopline_hil.example import crossroads
from stopline_policy.bundle import write_bundle
from stopline_policy.manifest import MODEL_FILE
from stopline_policy.signing import public_pem
from stopline_signals.plan import SignalPlan
from stopline_signals.table import plan_to_table
from tests.policy.tiny_bundle import greedy_weights, linear_model, manifest


def write_plan(path: Path, plan: SignalPlan) -> None:
    path.write_text(tomlkit.dumps(plan_to_table(plan)))


def write_tiny_bundle(
    folder: Path,
    model: bytes | None = None,
    interval: float = 5.0,
    *,
    name: str = "tiny",
    key: Ed25519PrivateKey | None = None,
) -> Path:
    """`tiny.bundle` and `key.pub.pem` in the folder; returns the bundle's path."""
    key = key or Ed25519PrivateKey.generate()
    content = {MODEL_FILE: model or linear_model(greedy_weights())}
    path = folder / f"{name}.bundle"
    write_bundle(path, manifest(decision_interval=interval, name=name), content, key)
    (folder / "key.pub.pem").write_bytes(public_pem(key.public_key()))
    return path


def write_site(
    folder: Path,
    cabinets: Mapping[str, str] | None = None,
    *,
    controller: str = "",
    policy: str | None = None,
    extra: str = "",
    interval: float = 5.0,
    plans: Mapping[str, SignalPlan] | None = None,
) -> Path:
    """Write a site of crossroads; `cabinets` maps a junction to the body of its cabinet table."""
    cabinets = cabinets or {"A": 'driver = "memory"'}
    if policy is None:
        write_tiny_bundle(folder, interval=interval)
        policy = 'bundle = "tiny.bundle"\ntrusted_keys = ["key.pub.pem"]'
    text = [
        f'[controller]\nlisten = "127.0.0.1:0"\ninsecure = true\n{controller}',
        f"[policy]\n{policy}",
        extra,
    ]
    for name, body in cabinets.items():
        write_plan(folder / f"{name}.toml", (plans or {}).get(name) or replace(crossroads(), junction=name))
        text.append(
            f'[[junction]]\nid = {json.dumps(name)}\nplan = "{name}.toml"\n[junction.cabinet]\n{body}'
        )
    path = folder / "site.toml"
    path.write_text("\n".join(text) + "\n")
    return path
