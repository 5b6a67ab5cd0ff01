"""The commands of an operator and of an auditor, as typed."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stopline_controller.audit import AuditLog, Entry
from tests.controller.bench import FOLDERS, ROOT, START_S, ServeProcess, until
from tests.controller.sites import write_site


def stopline(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(ROOT / folder) for folder in FOLDERS)
    return subprocess.run(
        [sys.executable, "-c", "from stopline_cli.main import app; app()", *words],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **env},
        timeout=30,
    )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certs")
    done = stopline("certs", "dev", str(folder), "--client", "kim:operator", "--client", "lee:operator")
    assert done.returncode == 0, done.stderr
    assert "[controller.tls]" in done.stdout
    return folder


@pytest.fixture(scope="module")
def server(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    folder = tmp_path_factory.mktemp("site")
    tls = (
        f'[controller.tls]\ncertificate = "{certificates}/controller.pem"\n'
        f'key = "{certificates}/controller.key"\nclient_ca = "{certificates}/ca.pem"'
    )
    site = write_site(folder, controller=f"clock_rate = 4\n{tls}")
    site.write_text(site.read_text().replace("insecure = true\n", ""))
    with ServeProcess(site) as running:
        # Until its start-up is over the cabinet itself is in force, and whatever is asked for is queued.
        kim = _as(running, certificates, "kim")
        until(lambda: _policy_decides(kim), START_S, f"the policy decides; {running.log.read_text()}")
        yield running


@pytest.fixture
def kim(server: ServeProcess, certificates: Path) -> dict[str, str]:
    return _as(server, certificates, "kim")


def _as(server: ServeProcess, certificates: Path, name: str) -> dict[str, str]:
    return {
        "STOPLINE_ADDRESS": server.address,
        "STOPLINE_CA": str(certificates / "ca.pem"),
        "STOPLINE_CERT": str(certificates / f"{name}.pem"),
        "USER": name,
    }


def _policy_decides(operator: dict[str, str]) -> bool:
    done = stopline("override", "preview", "A", "main", "--json", **operator)
    return done.returncode == 0 and json.loads(done.stdout)["source_in_force"] == "policy"


def _json(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_keys_are_for_their_owner_only_and_a_second_run_keeps_the_authority(certificates: Path) -> None:
    authority = (certificates / "ca.pem").read_bytes()
    before = (certificates / "controller.pem").read_bytes()
    assert all(path.stat().st_mode & 0o077 == 0 for path in certificates.glob("*.key"))
    copy = certificates.parent / "again"
    copy.mkdir()
    for path in certificates.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert stopline("certs", "dev", str(copy), "--client", "max:supervisor").returncode == 0
    assert (copy / "ca.pem").read_bytes() == authority
    assert (copy / "controller.pem").read_bytes() != before
    assert (copy / "max.pem").exists()
    bad = stopline("certs", "dev", str(copy), "--client", "max:king")
    assert bad.returncode == 2 and "king" in bad.stderr


def test_an_override_with_a_certificate_from_preview_to_release(
    kim: dict[str, str], server: ServeProcess, certificates: Path
) -> None:
    preview = _json(stopline("override", "preview", "A", "side", "--json", **kim))
    assert preview["transition_s"] != 0
    dry = _json(stopline("override", "go", "A", "side", "--dry-run", "--json", **kim))
    assert dry["audit_sequence"] == 0
    went = _json(stopline("override", "go", "A", "side", "--no-wait", "--seconds", "200", "--json", **kim))
    assert went["status"] in ("ACCEPTED", "PENDING_SAFE_POINT"), went
    listed = stopline("override", "list", **kim)
    assert "kim" in listed.stdout and "operator" in listed.stdout
    lee = _as(server, certificates, "lee")
    refused = stopline("override", "hold", "A", "--no-wait", **lee)
    assert refused.returncode == 1 and "held by kim" in refused.stderr
    assert stopline("override", "release", "A", **lee).returncode == 1
    assert stopline("override", "release", "A", **kim).returncode == 0


def test_flash_takes_two_people_at_two_desks(
    kim: dict[str, str], server: ServeProcess, certificates: Path
) -> None:
    first = _json(stopline("override", "flash", "A", "--no-wait", "--seconds", "200", "--json", **kim))
    assert first["status"] == "PENDING_CONFIRMATION"
    confirmation = str(first["confirmation"])
    own = stopline("override", "confirm", confirmation, "--json", **kim)
    assert json.loads(own.stdout)["status"] == "REJECTED" and own.returncode == 1
    lee = _as(server, certificates, "lee")
    second = _json(stopline("override", "confirm", confirmation, "--json", **lee))
    assert second["status"] in ("ACCEPTED", "PENDING_SAFE_POINT"), second
    assert stopline("override", "release", "A", **kim).returncode == 0


@pytest.mark.parametrize("words", ["omit A side", "call A side", "plan A free", "all-red A", "hold A"])
def test_every_verb_can_be_typed(kim: dict[str, str], words: str) -> None:
    done = stopline("override", *words.split(), "--no-wait", "--json", **kim)
    assert done.returncode == 0, done.stderr + done.stdout
    stopline("override", "release", "A", **kim)


def test_groups_and_mistakes_are_explained(kim: dict[str, str]) -> None:
    done = stopline("override", "omit", "A", "side", "--group", "side", "--no-wait", **kim)
    assert done.returncode == 0, done.stderr
    wrong = stopline("override", "call", "A", "nowhere", "--no-wait", **kim)
    assert wrong.returncode == 1 and "main, left, side" in wrong.stdout
    assert stopline("override", "plan", "A", "sideways", **kim).returncode == 2
    assert stopline("override", "hold", **kim).returncode == 2
    missing = stopline("override", "list", **{**kim, "STOPLINE_CERT": "nobody.pem"})
    assert missing.returncode == 1 and "nobody" in missing.stderr
    plaintext = stopline("override", "list", "--address", kim["STOPLINE_ADDRESS"])
    assert plaintext.returncode == 1 and "certificate" in plaintext.stderr


def test_the_audit_log_is_shown_and_verified_while_it_is_written(server: ServeProcess) -> None:
    path = server.state / "audit.sqlite"
    shown = stopline("audit", "show", str(path), "--kind", "lease", "--json")
    records = json.loads(shown.stdout)
    assert records and {record["kind"] for record in records} == {"lease"}
    assert records[0]["detail"]["certificate"] == "kim"
    verified = stopline("audit", "verify", str(path))
    assert verified.returncode == 0 and "intact" in verified.stdout


def test_a_forged_audit_log_is_told(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.sqlite")
    log.append([Entry("decision", number, "A", "policy") for number in range(30)])
    noted = list(log.read())[9].hash
    log.close()
    path = str(log.path)
    good = json.loads(stopline("audit", "verify", path, "--contains", noted, "--json").stdout)
    assert good["intact"] and good["contains"] and good["records"] == 30
    assert stopline("audit", "verify", path, "--contains", "0" * 64).returncode == 1
    with sqlite3.connect(path) as forger:
        forger.execute("UPDATE audit SET actor = 'nobody' WHERE sequence = 12")
    forger.close()
    bad = stopline("audit", "verify", path)
    assert bad.returncode == 1 and "record 12" in bad.stdout
    (tmp_path / "empty").write_text("not a database, but long enough to look at")
    assert "not an audit log" in stopline("audit", "show", str(tmp_path / "empty")).stderr
    assert "no such file" in stopline("audit", "verify", str(tmp_path / "none")).stderr


def test_events_are_exported_while_they_are_written(server: ServeProcess, tmp_path: Path) -> None:
    out, detectors = tmp_path / "events.csv", tmp_path / "detectors.csv"
    path = str(server.state / "events.sqlite")
    zone = ("--zone", "Europe/Berlin")
    done = stopline("events", "export", path, str(out), *zone, "--detectors", str(detectors))
    assert done.returncode == 0, done.stderr
    assert len(out.read_text().splitlines()) > 10 and "Yellow_Red" in detectors.read_text()
    assert stopline("events", "export", path, str(out), "--zone", "Mars/Base").returncode == 1
