"""What a technician copies from deploy/: sites that load, a unit systemd accepts, releases that go back."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from stopline_controller.audit import AuditLog, Entry
from stopline_controller.notify import PER_WATCHDOG
from stopline_controller.site import Site, read_site
from tests.controller.bench import FOLDERS

MOST_EXPOSED = 1.5
"""Of `systemd-analyze security`; 10 is a service without any protection."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing"
)


@pytest.fixture
def unit(root: Path, tmp_path: Path) -> Path:
    """The unit, with a program that is there on this machine."""
    text = (root / "deploy/systemd/stopline.service").read_text()
    made = tmp_path / "stopline.service"
    assert text.count("/opt/stopline/current/bin/python") == 1
    made.write_text(text.replace("/opt/stopline/current/bin/python", sys.executable))
    return made


@pytest.mark.parametrize(("name", "junctions"), [("junction", 1), ("corridor", 3)])
def test_the_example_sites_load_and_explain_every_table(root: Path, name: str, junctions: int) -> None:
    path = root / "deploy" / "sites" / name / "site.toml"
    site = read_site(path)
    assert isinstance(site, Site) and len(site.junctions) == junctions
    assert site.bundle is not None and site.tables.controller.tls is not None
    text = path.read_text()
    assert "# CHANGE" in text and text.count("#") >= 10
    assert all(junction.plan.source == "example" for junction in site.junctions)


@needs_systemd
def test_systemd_accepts_the_unit(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.strip()) == (0, ""), done.stderr


@needs_systemd
def test_systemd_finds_a_broken_unit(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("Type=notify", "Type=notifi"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], check=False, capture_output=True, text=True
    )
    assert "notifi" in done.stderr


@needs_systemd
def test_the_unit_is_hardened(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)],
        check=False,
        capture_output=True,
        text=True,
    )
    found = re.search(r"Overall exposure level for stopline.service: ([\d.]+)", done.stdout)
    assert found and float(found[1]) <= MOST_EXPOSED, done.stdout[-300:] + done.stderr


def test_the_unit_is_notified_watched_and_allowed_real_time(root: Path) -> None:
    text = (root / "deploy/systemd/stopline.service").read_text()
    for line in ("Type=notify", "WatchdogSec=2s", "Restart=always", "LimitRTPRIO=10"):
        assert f"\n{line}\n" in text, line
    assert 2 / PER_WATCHDOG >= 0.1, "several ticks for every heartbeat"


def test_the_journal_is_the_services_own_and_rotates_by_size_and_age(root: Path) -> None:
    unit = (root / "deploy/systemd/stopline.service").read_text()
    namespace = re.search(r"^LogNamespace=(\w+)$", unit, re.MULTILINE)
    assert namespace
    text = (root / f"deploy/systemd/journald@{namespace[1]}.conf").read_text()
    assert text.splitlines()[1] == "[Journal]"
    limits = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and line[0] != "#")
    assert limits["SystemMaxUse"] == "500M" and limits["MaxRetentionSec"] == "90day"
    told = (root / "deploy/README.md").read_text()
    assert f"`journald@{namespace[1]}.conf` (500 MB, 90 days)" in told


def test_the_container_runs_as_nobody_special_and_drains(root: Path) -> None:
    text = (root / "deploy/Dockerfile").read_text()
    assert "USER stopline" in text and "STOPSIGNAL SIGTERM" in text and "stopline_controller" in text


def test_the_steps_name_files_and_commands_that_are_there(root: Path) -> None:
    text = (root / "deploy/README.md").read_text()
    for path in set(re.findall(r"deploy/[\w./@-]+\w", text)):
        assert (root / path).exists(), path
    from stopline_cli.main import COMMANDS

    known = {row.name for row in COMMANDS}
    for words in set(re.findall(r"stopline ((?:policy|audit|bundle|certs|hil) \w+)", text)):
        assert words in known, words


class Releases:
    """A release folder whose versions are small scripts instead of installations."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.script = root / "deploy" / "stopline-release"
        self.folder = folder / "opt"
        self.log = folder / "restarts"
        self.log.touch()
        restart = folder / "restart"
        restart.write_text(f"#!/bin/sh\nreadlink {self.folder}/current >> {self.log}\n")
        restart.chmod(0o755)
        self._environment = {
            **os.environ,
            "STOPLINE_ROOT": str(self.folder),
            "STOPLINE_SITE": str(folder / "site.toml"),
            "STOPLINE_RESTART": str(restart),
            "STOPLINE_KEYS": str(folder / "keys.env"),
            "STOPLINE_STATE": str(folder / "state"),
            "STOPLINE_USER": "nobody special",
        }

    def add(self, version: str, *, accepts: bool = True, does: str = "") -> None:
        """A version that accepts the site or refuses it; `does` is the line of shell it runs instead."""
        program = self.folder / version / "bin" / "stopline"
        program.parent.mkdir(parents=True)
        does = does or f"echo checked by {version}\nexit {0 if accepts else 1}"
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
        (program.parent / "python").symlink_to(sys.executable)

    def run(self, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        environment = {**self._environment, **changes}
        return subprocess.run(
            [str(self.script), *words], check=False, capture_output=True, text=True, env=environment
        )

    @property
    def current(self) -> str:
        return os.readlink(self.folder / "current")


def test_a_release_is_used_and_taken_back(root: Path, tmp_path: Path) -> None:
    releases = Releases(root, tmp_path)
    releases.add("1.0")
    releases.add("1.1")
    assert releases.run("use", "1.0").returncode == 0 and releases.current == "1.0"
    assert releases.run("back").returncode == 1, "there is none before the first"
    assert releases.run("use", "1.1").returncode == 0 and releases.current == "1.1"
    assert releases.run("list").stdout == "  1.0\n* 1.1\n"
    assert releases.run("back").returncode == 0 and releases.current == "1.0"
    assert releases.run("back").returncode == 0 and releases.current == "1.1", "and forth again"


def test_a_release_that_refuses_the_site_changes_nothing(root: Path, tmp_path: Path) -> None:
    releases = Releases(root, tmp_path)
    releases.add("1.0")
    releases.add("2.0", accepts=False)
    releases.run("use", "1.0")
    before = releases.log.read_text()
    done = releases.run("use", "2.0")
    assert done.returncode == 1 and "refuses" in done.stderr
    assert releases.current == "1.0" and releases.log.read_text() == before, "nor was it restarted"


@pytest.mark.parametrize("installs", [True, False])
def test_a_release_is_installed_beside_the_others_whole_or_not_at_all(
    root: Path, tmp_path: Path, installs: bool
) -> None:
    releases = Releases(root, tmp_path)
    releases.add("1.0")
    releases.run("use", "1.0")
    before = releases.log.read_text()
    python = tmp_path / "python"
    # Makes an environment whose own Python is itself, and as pip installs the program or fails.
    python.write_text(
        '#!/bin/sh\nif [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; exit; fi\n'
        f'echo "$@" > {tmp_path}/asked\ncp {releases.folder}/1.0/bin/stopline "$(dirname "$0")/stopline"\n'
        f"exit {0 if installs else 1}\n"
    )
    python.chmod(0o755)
    done = releases.run("install", "1.1", "./stopline-1.1.whl", STOPLINE_PYTHON=str(python))
    assert (tmp_path / "asked").read_text().split()[-2:] == ["install", "./stopline-1.1.whl"]
    assert (done.returncode == 0, (releases.folder / "1.1").exists()) == (installs, installs), done.stderr
    assert releases.current == "1.0" and releases.log.read_text() == before, "nothing that runs is touched"


@pytest.mark.parametrize("version", ["", "..", "a/b", "current", "9.9"])
def test_a_release_that_is_not_there_is_said_so(root: Path, tmp_path: Path, version: str) -> None:
    done = Releases(root, tmp_path).run("use", version)
    assert done.returncode == 1 and "stopline-release:" in done.stderr


def test_the_check_has_the_keys_of_the_service_as_they_are_written(root: Path, tmp_path: Path) -> None:
    releases = Releases(root, tmp_path)
    releases.add("1.0", does='printf "%s|" "$FIRST" "$SECOND" "$THIRD"')
    (tmp_path / "keys.env").write_text(
        f"# keys\n\nFIRST=$(touch {tmp_path}/run) & `id` = x\nSECOND=\"two words\"\nTHIRD='last line'"
    )
    done = releases.run("check", "1.0")
    assert done.stdout == f"$(touch {tmp_path}/run) & `id` = x|two words|last line|", done.stderr
    assert not (tmp_path / "run").exists(), "keys are no script"


@pytest.mark.parametrize("line", ["no assignment", "1BAD=x", "bad name=x", "=x"])
def test_keys_that_systemd_would_not_take_are_refused(root: Path, tmp_path: Path, line: str) -> None:
    releases = Releases(root, tmp_path)
    releases.add("1.0")
    (tmp_path / "keys.env").write_text(f"GOOD=1\n{line}\n")
    done = releases.run("use", "1.0")
    assert done.returncode == 1 and "keys.env" in done.stderr and not (releases.folder / "current").exists()


def test_a_site_with_snmpv3_is_taken_with_its_keys_and_only_with_them(root: Path, tmp_path: Path) -> None:
    """The command itself, not a stand-in."""
    example = root / "deploy" / "sites" / "junction"
    shutil.copy(example / "main_and_1st.toml", tmp_path)
    text = (example / "site.toml").read_text().replace('bundle = "shipped"', 'bundle = "none"')
    text = text[: text.index("[junction.cabinet]")] + "[junction.cabinet]\n"
    text += 'driver = "ntcip"\naddress = "192.168.10.2:161"\nversion = "3"\nuser = "stopline"\n'
    text += 'phases = { main = 2, left = 5, side = 4, "walk along" = 2, "walk across" = 4 }\n'
    (tmp_path / "site.toml").write_text(text)
    path = os.pathsep.join(str(root / folder) for folder in FOLDERS)
    stopline = f'PYTHONPATH={path} exec {sys.executable} -c "from stopline_cli.main import app; app()" "$@"'
    releases = Releases(root, tmp_path)
    releases.add("1.0", does=stopline)
    assert releases.run("check", "1.0").stderr.count("cannot be read") == 3, "no certificates yet"
    made = subprocess.run(
        [releases.folder / "1.0/bin/stopline", "certs", "dev", tmp_path / "tls", "--host", "localhost"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    done = releases.run("use", "1.0")
    assert done.returncode == 1 and "STOPLINE_SNMP_AUTH_KEY must hold a key" in done.stderr
    (tmp_path / "keys.env").write_text(
        "STOPLINE_SNMP_AUTH_KEY=so secret\nSTOPLINE_SNMP_PRIVACY_KEY=so private\n"
    )
    done = releases.run("use", "1.0")
    assert done.returncode == 0 and releases.current == "1.0", done.stderr
    assert "so secret" not in done.stdout + done.stderr


def test_root_checks_as_the_user_of_the_service_in_its_folder(root: Path, tmp_path: Path) -> None:
    releases = Releases(root, tmp_path)
    (tmp_path / "state").mkdir()
    releases.add("1.0", does='echo "$AS in $(pwd) at $HOME key $KEY"')
    (tmp_path / "keys.env").write_text("KEY=7\n")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "id").write_text("#!/bin/sh\necho 0\n")
    (tools / "runuser").write_text('#!/bin/sh\nexport AS="$2"\nshift 3\nexec "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    changes = {"PATH": f"{tools}:{os.environ['PATH']}", "STOPLINE_USER": "stopline"}
    done = releases.run("check", "1.0", **changes)
    state = tmp_path / "state"
    assert done.stdout == f"stopline in {state} at {state} key 7\n", done.stderr


def test_a_backup_of_databases_in_use_is_whole(root: Path, tmp_path: Path) -> None:
    releases = Releases(root, tmp_path)
    releases.add("1.0")
    releases.run("use", "1.0")
    state = tmp_path / "state"
    (state / "policies").mkdir(parents=True)
    (state / "policies" / "a.bundle").write_text("kept")
    (state / "lock").touch()
    with closing(sqlite3.connect(state / "audit.sqlite", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE record (n INTEGER)")
        writer.executemany("INSERT INTO record VALUES (?)", [(n,) for n in range(100)])
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO record VALUES (100)")  # under way, so no part of the copy
        done = releases.run("backup", str(tmp_path / "copy"))
        writer.execute("COMMIT")
    assert done.returncode == 0, done.stderr
    found = sorted(str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*"))
    assert found == ["audit.sqlite", "policies", "policies/a.bundle"], "without logs of their own, or locks"
    with closing(sqlite3.connect(tmp_path / "copy" / "audit.sqlite")) as copy:
        assert copy.execute("SELECT count(*), max(n) FROM record").fetchone() == (100, 99)
    again = releases.run("backup", str(tmp_path / "copy"))
    assert again.returncode == 1 and "is there already" in again.stderr


def test_the_audit_commands_are_told_as_they_are_typed(root: Path, tmp_path: Path) -> None:
    with closing(AuditLog(tmp_path / "audit.sqlite")) as audit:
        audit.append([Entry("started", 0, "", "controller", {})])
    commands = re.findall(r"`stopline (audit [^`]*)`", (root / "deploy/README.md").read_text())
    assert {words.split()[1] for words in commands} == {"show", "verify"}
    for words in commands:
        typed = words.replace("/var/lib/stopline", str(tmp_path)).split()
        done = subprocess.run(
            [sys.executable, "-c", "from stopline_cli.main import app; app()", *typed],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
