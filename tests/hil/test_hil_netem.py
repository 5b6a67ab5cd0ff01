"""The kernel's impairments: a namespace of one's own, or a loud reason why not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from stopline_hil.faults.netem import INSIDE, NetemError, environment, inside, why_not, wrapped


@pytest.mark.parametrize("settings", ["", "delay 20ms; rm -rf x", "$(date)", "delay `id`", "loss 1% | cat"])
def test_settings_are_words_and_numbers(settings: str) -> None:
    with pytest.raises(NetemError, match="words and numbers only"):
        wrapped(settings, ["true"])


def test_a_host_that_cannot_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "unshare" in why_not("delay 20ms")


def namespaces() -> bool:
    return subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not namespaces(), reason="network namespaces need root")
def test_the_command_runs_in_a_namespace_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tc` is replaced: not every kernel has netem, and what it is told is what matters here."""
    said = tmp_path / "said"
    fake = tmp_path / "tc"
    fake.write_text(f'#!/bin/sh\necho "$@" > {said}\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert why_not("delay 20ms 10ms loss 1%") == ""
    done = subprocess.run(
        wrapped("delay 20ms 10ms loss 1%", ["sh", "-c", f"echo ${INSIDE}; ls /sys/class/net; ip -br link"]),
        capture_output=True, text=True, check=True, env=environment("delay 20ms 10ms loss 1%"),
    )  # fmt: skip
    assert said.read_text().strip() == "qdisc add dev lo root netem delay 20ms 10ms loss 1%"
    assert done.stdout.startswith("delay 20ms 10ms loss 1%")
    links = [line.split()[:2] for line in done.stdout.splitlines() if line.startswith("lo")]
    assert ["lo", "UNKNOWN"] in links
    assert inside() == ""
