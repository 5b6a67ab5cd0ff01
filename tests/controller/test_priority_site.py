"""What a site file says of priority is what its junctions do."""

from __future__ import annotations

from pathlib import Path

import pytest

from stopline_controller.assembly import _priority_settings
from stopline_controller.site import read_site
from stopline_signals.errors import SiteError
from stopline_signals.priority import PrioritySettings, TransitSettings
from tests.controller.sites import write_site

TABLE = """[priority]
report_timeout_s = 6
margin_s = 3
max_presence_s = 90
recovery = false
transit_late_s = 30
transit_extension_s = 8
transit_early_s = 5
transit_kept_s = 12
transit_cooldown_s = 200
"""


def test_every_entry_reaches_the_rule_book(tmp_path: Path) -> None:
    wanted = PrioritySettings(
        report_timeout=6,
        margin=3,
        max_presence=90,
        recovery=False,
        transit=TransitSettings(late=30, extension=8, early=5, kept=12, cooldown=200),
    )
    assert _priority_settings(read_site(write_site(tmp_path, extra=TABLE))) == wanted


def test_a_controller_makes_up_for_emergencies_unless_told_otherwise(tmp_path: Path) -> None:
    assert _priority_settings(read_site(write_site(tmp_path))) == PrioritySettings(recovery=True)


@pytest.mark.parametrize(
    "order", ['"cabinet", "emergency", "rail"', '"cabinet", "rail", "transit", "emergency"']
)
def test_a_site_cannot_put_a_bus_or_an_ambulance_where_it_must_not_be(tmp_path: Path, order: str) -> None:
    rest = [s for s in ("rail", "emergency", "centre", "transit", "policy", "local") if s not in order]
    stack = ", ".join([order, *(f'"{source}"' for source in rest)])
    with pytest.raises(SiteError, match="stack"):
        read_site(write_site(tmp_path, extra=f"[control]\nstack = [{stack}]\n"))
