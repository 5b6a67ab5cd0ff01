"""No secret of a site file is repeated: not where the file is wrong, not by a process that runs with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_origin

import pytest
from pydantic import BaseModel

from stopline_controller.drivers import DRIVERS
from stopline_controller.site import InvalidSite, is_secret, read_site
from stopline_controller.site_tables import SiteTables
from stopline_signals.plan import SignalPlan
from tests.controller.bench import ServeProcess, until
from tests.controller.sites import write_site
from tests.controller.test_ntcip_site import body, plan_with_zones

SECRET = "ro-SECRET-9f2c"
OPEN = {
    *("address", "approach", "bundle", "endpoint", "group", "id", "junction", "lease_dir", "listen", "map"),
    *("name", "peers", "plan", "profile", "push_from", "push_listen", "state_dir", "user"),
    *("certificate", "client_ca", "tls_ca", "tls_certificate"),
}
"""Entries of free text that may be repeated; whoever adds another one has to say which sort it is."""


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _texts(model: type[BaseModel]) -> set[str]:
    """Names of all entries of a table, and of those in it, whose values may be any text or path."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        if _is_text(field.annotation):
            found.add(name)
        for inner in _models(field.annotation):
            found |= _texts(inner)
    return found


def _is_text(annotation: object) -> bool:
    """Also of SecretStr and such, and of a list or a choice that has text in it; a table's keys are none."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation is str or issubclass(annotation, Path) or "Secret" in annotation.__name__
    inner = get_args(annotation)
    return any(_is_text(one) for one in (inner[1:] if get_origin(annotation) is dict else inner))


TABLES: dict[str, type[BaseModel]] = {"site": SiteTables, **{name: DRIVERS[name].options for name in DRIVERS}}
SECRETS = sorted(
    (table, name) for table, model in TABLES.items() for name in _texts(model) if is_secret(name)
)


def test_every_entry_of_free_text_is_known_as_a_secret_or_not() -> None:
    names = {name for model in TABLES.values() for name in _texts(model)}
    unknown = {name for name in names if not is_secret(name)} - OPEN
    assert not unknown, "secret or not? say it in site.py or here"
    assert not {name for name in OPEN if is_secret(name)}
    found = {name for _, name in SECRETS}
    assert {"read_community", "write_community", "auth_key_env", "privacy_key_env", "tls_key", "key"} <= found


def _complaint(path: Path) -> str:
    with pytest.raises(InvalidSite) as refused:
        read_site(path)
    return str(refused.value)


@pytest.mark.parametrize(("table", "name"), SECRETS)
def test_a_secret_of_a_wrong_type_is_not_repeated(tmp_path: Path, table: str, name: str) -> None:
    wrong = json.dumps([SECRET, 1])
    if table == "site":
        part = "policy" if name == "trusted_keys" else "controller.tls"
        wrong = json.dumps(SECRET) if name == "trusted_keys" else f"[{json.dumps(SECRET)}]"
        extra = "" if name == "trusted_keys" else f"[{part}]\n{name} = {wrong}"
        policy = f"{name} = {wrong}" if name == "trusted_keys" else None
        complaint = _complaint(write_site(tmp_path, extra=extra, policy=policy))
    else:
        cabinet = f'driver = "{table}"\naddress = "127.0.0.1:161"\n{name} = {wrong}'
        complaint = _complaint(write_site(tmp_path, {"A": cabinet}))
    assert name in complaint and SECRET not in complaint


@pytest.mark.parametrize(("table", "name"), [row for row in SECRETS if row[0] != "site"])
@pytest.mark.parametrize("mistake", ['version = "3"', 'address = "nowhere"', "max_varbinds = 9999"])
def test_a_secret_beside_a_mistake_is_not_repeated(
    tmp_path: Path, table: str, name: str, mistake: str
) -> None:
    address = "" if mistake.startswith("address") else 'address = "127.0.0.1:161"\n'
    cabinet = f'driver = "{table}"\n{address}{mistake}\n{name} = {json.dumps(SECRET)}'
    complaint = _complaint(write_site(tmp_path, {"A": cabinet}))
    assert "cabinet" in complaint and SECRET not in complaint


@pytest.mark.parametrize(
    "wrong",
    [
        '[junction]\nid = "A"\nplan = "A.toml"\ncabinet = { read_community = "SECRET" }',
        '[[junction]]\nid = "A"\nplan = "A.toml"\ncabinet = [{ read_community = "SECRET" }]',
        '[[junction]]\nid = "A"\nplan = "A.toml"\ncabinet = { driver = { read_community = "SECRET" } }',
        '[[junction]]\nid = "A"\nplan = "A.toml"\ncabinet = { driver = "ntcip", read_comunity = "SECRET" }',
        '[[junction]]\nid = "A"\nplan = { read_community = "SECRET" }\ncabinet = { driver = "memory" }',
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path, wrong: str) -> None:
    path = write_site(tmp_path)
    text = path.read_text()
    path.write_text(text[: text.index("[[junction]]")] + wrong.replace("SECRET", SECRET) + "\n")
    assert SECRET not in _complaint(path)


def test_what_is_no_secret_is_repeated_for_who_has_to_find_it(tmp_path: Path) -> None:
    cabinet = 'driver = "ntcip"\naddress = "nowhere"\nmax_varbinds = 9999'
    complaint = _complaint(write_site(tmp_path, {"A": cabinet}))
    assert "(found 'nowhere')" in complaint and "(found 9999)" in complaint


def test_no_secret_of_the_site_is_written_anywhere(tmp_path: Path) -> None:
    """A process with every secret in its site file and environment, at cabinets that are not there."""
    secrets = {name: f"{SECRET}-{number}" for number, (_, name) in enumerate(SECRETS)}
    communities = [
        f"{name} = {json.dumps(secrets[name])}"
        for table, name in SECRETS
        if table == "ntcip" and "comm" in name
    ]
    keys = {name: secrets[name] for table, name in SECRETS if table == "ntcip" and name.endswith("_env")}
    third = [f'{name} = "TEST_{name.upper()}"' for name in keys]
    site = write_site(
        tmp_path,
        {
            "A": body(9, *communities, "timeout_s = 0.1"),
            "B": body(9, 'version = "3"', 'user = "kim"', *third, "timeout_s = 0.1"),
        },
        plans={name: _named(name) for name in "AB"},
    )
    assert len(communities) == 2 and len(keys) == 2
    with ServeProcess(site, {f"TEST_{name.upper()}": value for name, value in keys.items()}) as running:
        until(lambda: b"offline" in running.log.read_bytes(), 20, "the cabinets are not there")
    written = [path for path in (*running.state.rglob("*"), running.log) if path.is_file()]
    assert len(written) >= 3
    for path in written:
        assert re.search(SECRET.encode(), path.read_bytes()) is None, path.name


def _named(name: str) -> SignalPlan:
    return replace(plan_with_zones(), junction=name)
