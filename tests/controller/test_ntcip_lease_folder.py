"""Where a controller keeps the leases of NTCIP cabinets: with its state, which outlives the process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from stopline_cabinets.seam import Cabinet
from stopline_controller.assembly import lessee_of
from stopline_controller.clock import Clock
from stopline_controller.site import read_site
from stopline_signals.errors import CabinetError
from tests.cabinets.ntcip_bench import RATE, Bench
from tests.controller.sites import write_site
from tests.controller.test_ntcip_site import body, plan_with_zones


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    found = await Bench(tmp_path / "unused").open()
    yield found
    found.close()


def cabinet(folder: Path, bench: Bench, *lines: str) -> Cabinet:
    """As the controller of a site in this folder makes it at every start."""
    folder.mkdir(exist_ok=True)
    plan = replace(plan_with_zones(), junction="A")
    path = write_site(
        folder,
        {"A": body(bench.port, 'profile = "generic"', *lines)},
        controller=f"clock_rate = {RATE}",
        plans={"A": plan},
    )
    site = read_site(path)
    junction = site.junctions[0]
    return junction.driver.build(junction.plan, junction.options, lessee_of(site), Clock(RATE))


async def test_after_a_kill_its_own_masks_are_taken_up_though_the_temporary_folder_is_new(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under the unit, whose PrivateTmp gives every start a folder of its own."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "first"))
    killed = cabinet(tmp_path / "site", bench)
    await killed.connect()
    await killed.write(bench.command(killed, bench.plan.stage_index("4+8")))
    assert bench.masks()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "second"))
    again = cabinet(tmp_path / "site", bench)
    await again.connect()
    assert [path.parent for path in tmp_path.rglob("*.lease")] == [tmp_path / "site" / "state" / "leases"]


async def test_services_with_one_lease_dir_see_each_other(tmp_path: Path, bench: Bench) -> None:
    shared = f"lease_dir = {json.dumps(str(tmp_path / 'shared'))}"
    one, other = (cabinet(tmp_path / name, bench, shared) for name in ("one", "other"))
    await one.connect()
    with pytest.raises(CabinetError, match="leased by"):
        await other.connect()
