"""`stopline serve --check` as a person types it: all that a start would trip over is found at once."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from stopline_controller.dev_ca import Authority
from tests.controller.bench import FOLDERS, ROOT
from tests.controller.sites import write_site
from tests.controller.test_ntcip_site import body, plan_with_zones
from tests.controller.test_serve_tls import HOUR, write_server, write_tls_site
from tests.controller.test_v2x_inlet import SITE as V2X

RUN = "from stopline_cli.main import app; app()"
KEYS = {"STOPLINE_SNMP_AUTH_KEY": "authentic key", "STOPLINE_SNMP_PRIVACY_KEY": "private key"}


def check(site: Path, first: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """`first` is Python that runs before the command."""
    path = os.pathsep.join(str(ROOT / folder) for folder in FOLDERS)
    clean = {name: value for name, value in os.environ.items() if name not in KEYS}
    return subprocess.run(
        [sys.executable, "-c", f"{first}\n{RUN}", "serve", "--check", str(site)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**clean, "PYTHONPATH": path, "COLUMNS": "200", **environment},
    )


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    assert f"{len(words)} mistake" in done.stderr, done.stderr


def test_good_certificates_pass_and_one_that_ends_soon_is_noted(tmp_path: Path) -> None:
    done = check(write_tls_site(tmp_path, Authority.create(), HOUR))
    assert done.returncode == 0, done.stderr
    assert "note: the server certificate ends on" in done.stderr


def test_certificates_that_are_not_there_are_all_named_with_their_lines(tmp_path: Path) -> None:
    site = write_tls_site(tmp_path, Authority.create())
    for name in ("cert.pem", "key.pem", "ca.pem"):
        (tmp_path / name).unlink()
    entries = [f"controller.tls.{name}: " for name in ("certificate", "key", "client_ca")]
    done = check(site)
    refused(done, *entries)
    assert done.stderr.count("cannot be read (No such file or directory)") == 3


def test_files_that_are_no_certificates_are_named(tmp_path: Path) -> None:
    site = write_tls_site(tmp_path, Authority.create())
    for name in ("cert.pem", "key.pem", "ca.pem"):
        (tmp_path / name).write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    done = check(site)
    refused(done, *(f"controller.tls.{name}: " for name in ("certificate", "key", "client_ca")))
    assert done.stderr.count("is not the unencrypted PEM") == 3


def test_the_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    authority = Authority.create()
    site = write_tls_site(tmp_path, authority)
    certificate = (tmp_path / "cert.pem").read_bytes()
    write_server(tmp_path, authority)
    (tmp_path / "cert.pem").write_bytes(certificate)
    refused(check(site), "controller.tls.key: key.pem is not the key of cert.pem")


def test_the_certificates_of_modbus_cabinets_are_loaded(tmp_path: Path) -> None:
    files = "\n".join(f'tls_{name} = "{tmp_path}/{name}.pem"' for name in ("certificate", "key", "ca"))
    site = write_site(tmp_path, {"A": f'driver = "modbus"\naddress = "127.0.0.1:802"\n{files}'})
    refused(check(site), "junction[0].cabinet: ")


@pytest.mark.parametrize("there", [True, False])
def test_the_library_of_v2x_is_needed_where_the_site_has_it(tmp_path: Path, there: bool) -> None:
    if there:
        pytest.importorskip("pycrate_asn1dir")
    extra = V2X.format(address="127.0.0.1:0", peer="x", group="side")
    site = write_site(tmp_path, policy='bundle = "none"', extra=extra)
    done = check(site, "" if there else "import sys; sys.modules['pycrate_asn1dir'] = None")
    if there:
        assert done.returncode == 0, done.stderr
    else:
        refused(done, "pip install 'stopline[v2x]'")


def test_tracing_that_is_not_installed_is_noted_and_stops_nothing(tmp_path: Path) -> None:
    site = write_site(tmp_path, policy='bundle = "none"', extra="[tracing]")
    done = check(site, "import sys; sys.modules['opentelemetry'] = None")
    assert done.returncode == 0 and "note: [tracing] does nothing" in done.stderr, done.stderr


def test_keys_of_snmpv3_cabinets_come_from_the_environment(tmp_path: Path) -> None:
    plan = replace(plan_with_zones(), junction="A")
    table = body(161, 'version = "3"\nuser = "stopline"')
    site = write_site(tmp_path, {"A": table}, policy='bundle = "none"', plans={"A": plan})
    refused(check(site), "STOPLINE_SNMP_AUTH_KEY must hold a key")
    assert check(site, **KEYS).returncode == 0


def test_mistakes_of_the_file_and_of_what_it_needs_come_at_once(tmp_path: Path) -> None:
    site = write_tls_site(tmp_path, Authority.create())
    (tmp_path / "ca.pem").unlink()
    site.write_text(site.read_text().replace('bundle = "tiny.bundle"', 'bundle = "x"\nsurprise = 1'))
    refused(check(site), "controller.tls.client_ca: ", "policy.bundle: ", "policy.surprise: ")
