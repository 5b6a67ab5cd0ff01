"""docs/environments.md names what there is: settings, actions, rewards, scenario entries."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from stopline_envs.actions import FACES
from stopline_envs.rewards import GROUP, reward_names
from stopline_envs.scenario import _KNOWN
from stopline_envs.simulation import INCIDENTS
from stopline_envs.slots import SlotSettings
from stopline_envs.truth import PERSONS
from tests.envs.test_observation_page import table


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "environments.md").read_text(encoding="utf-8")


def names(page: str, section: str, column: str) -> list[str]:
    return [part.strip("`") for row in table(page, section) for part in row[column].split("`, `")]


def test_every_setting_action_and_reward_is_listed(page: str) -> None:
    assert names(page, "Settings", "setting") == [field.name for field in fields(SlotSettings)]
    assert names(page, "Actions", "name") == list(FACES)
    own = [name for name in reward_names() if not name.startswith("test-")]
    assert sorted(names(page, "Rewards", "name")) == own


def test_defaults_are_the_ones_in_force(page: str) -> None:
    defaults = {row["setting"]: row["default"] for row in table(page, "Settings")}
    settings = SlotSettings()
    assert defaults["decision_interval"] == str(settings.decision_interval)
    assert defaults["reward"] == settings.reward
    assert defaults["reward_every"] == str(settings.reward_every)
    assert defaults["neighbours"] == str(settings.neighbours)
    assert defaults["max_groups`, `max_stages"] == f"{settings.max_groups}, {settings.max_stages}"
    assert all(f"`{name}`" in page for name in INCIDENTS)
    assert f"{PERSONS['passenger']:g} assumed in a car, {PERSONS['bus']:g} in a bus" in page


def test_the_files_shown_are_files_that_load(page: str) -> None:
    blocks = [part.split("```")[0] for part in page.split("```toml\n")[1:]]
    points, scenario = (tomllib.loads(block) for block in blocks)
    assert list(points["project"]["entry-points"]) == [GROUP]
    assert set(scenario) <= _KNOWN
