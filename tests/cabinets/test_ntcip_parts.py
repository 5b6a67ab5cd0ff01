"""Object table, masks, plan ledger, host lease, profiles: the parts of the NTCIP driver one by one."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stopline_cabinets.errors import CabinetOffline
from stopline_cabinets.ntcip import PROFILES, Address, dial, probe
from stopline_cabinets.ntcip.desired import COLUMNS, Asked, Masks, keeps, stage_masks
from stopline_cabinets.ntcip.lease import HostLease
from stopline_cabinets.ntcip.ledger import Ledger
from stopline_cabinets.ntcip.masks import bindings, group_value, groups_for, mask_of, numbers_in, read_mask
from stopline_cabinets.ntcip.objects import cell, choice, objects, scalar
from stopline_cabinets.ntcip.profiles import profile_for, profile_named
from stopline_cabinets.snmp.codec import dotted
from stopline_cabinets.snmp.errors import UnexpectedAnswer
from stopline_cabinets.words import NO_STAGE, Kind, PlanCommand, PlanRow, Result
from stopline_signals.errors import CabinetError
from tests.cabinets.ntcip_bench import foreign_plan
from tests.cabinets.ntcip_foreign_agent import ForeignAgent, ForeignController

ASC = "1.3.6.1.4.1.1206.4.2.1"


@pytest.mark.parametrize(
    ("oid", "expected"),
    [
        (scalar("unitBackupTime"), f"{ASC}.3.3.0"),
        (scalar("systemPatternControl"), f"{ASC}.4.14.0"),
        (cell("phaseControlGroupHold", 1), f"{ASC}.1.5.1.4.1"),
        (cell("phaseStatusGroupGreens", 2), f"{ASC}.1.4.1.4.2"),
        (cell("splitTime", 3, 2), f"{ASC}.4.9.1.3.3.2"),
        (cell("preemptControlState", 1), f"{ASC}.6.3.1.2.1"),
        (scalar("dbCreateTransaction"), "1.3.6.1.4.1.1206.4.2.6.2.1.0"),
        (cell("vehicleDetectorStatusGroupActive", 5), f"{ASC}.2.4.1.2.5"),
    ],
)
def test_objects_have_the_numbers_of_the_standard(oid: tuple[int, ...], expected: str) -> None:
    assert dotted(oid) == expected


def test_the_table_is_whole() -> None:
    rows = objects()
    assert len(rows) == 284
    assert len({row.oid for row in rows.values()}) == 284
    assert all(row.oid[-1] == 0 for row in rows.values() if not row.index)
    control = {row.name for row in rows.values() if row.controls}
    assert control >= {*COLUMNS, "systemPatternControl", "preemptControlState", "unitControl"}
    assert choice("unitControlStatus", "backupMode") == 4
    assert objects()["phaseControlGroupHold"].takes(255)
    assert not objects()["phaseControlGroupHold"].takes(256)
    assert not objects()["dbCreateTransaction"].takes(4)


@pytest.mark.parametrize("bad", [lambda: scalar("phaseWalk"), lambda: cell("phaseWalk"), lambda: scalar("x")])
def test_a_name_that_does_not_fit_is_a_mistake(bad: object) -> None:
    with pytest.raises(KeyError):
        bad()  # type: ignore[operator] # a function


@given(st.sets(st.integers(1, 40)))
def test_masks_are_bytes_of_eight_with_the_first_in_the_lowest_bit(phases: set[int]) -> None:
    mask = mask_of(phases)
    assert set(numbers_in(mask)) == phases
    written = bindings("phaseControlGroupHold", mask, 5)
    assert [group_value(mask, group) for group in range(1, 6)] == [binding.value for binding in written]
    values = {binding.oid: binding.value for binding in written}
    assert read_mask(values, "phaseControlGroupHold", 5) == mask
    for phase in phases:
        value = values[cell("phaseControlGroupHold", groups_for(phase))]
        assert isinstance(value, int) and value >> (phase - 1) % 8 & 1


@pytest.mark.parametrize("value", [256, -1, b"\x22", None])
def test_a_mask_that_is_none_is_refused(value: object) -> None:
    oid = cell("phaseStatusGroupGreens", 1)
    with pytest.raises(UnexpectedAnswer):
        read_mask({oid: value}, "phaseStatusGroupGreens", 1)  # type: ignore[dict-item] # what a device may say


PHASES = st.integers(0, 0xFFFF)


@given(PHASES, PHASES, PHASES)
def test_nothing_wanted_is_ever_forced_off_or_omitted(wanted: int, enabled: int, greens: int) -> None:
    masks = stage_masks(wanted & enabled, enabled, greens, Asked(), Asked(enabled, enabled))
    assert not masks.phase_omit & wanted & enabled
    assert not masks.force_off & wanted & enabled
    assert not masks.force_off & ~greens
    assert masks.hold == wanted & enabled
    assert masks.hold | masks.phase_omit == enabled


def test_a_force_off_that_ended_is_kept_and_one_never_sent_is_not() -> None:
    sent = Masks(hold=0x22, force_off=0x88)
    assert keeps(sent._replace(force_off=0x08), sent)
    assert keeps(sent._replace(force_off=0), sent)
    assert not keeps(sent._replace(force_off=0x11), sent)
    assert not keeps(sent._replace(hold=0), sent)


# --- ledger ---


def command(
    seq: int, *stages: int, ttl: int = 300, valid_from: int = 0, pattern: int = 0, calls: int = 0
) -> PlanCommand:
    rows = tuple(PlanRow(stage, 50, 100) for stage in stages)
    return PlanCommand(seq, rows, ttl, valid_from, pattern=pattern, calls=calls)


def test_a_plan_begins_at_its_time_runs_its_rows_and_ends() -> None:
    ledger = Ledger(foreign_plan())
    plan = command(1, 0, 3, valid_from=20, ttl=200)
    assert ledger.submit(plan, 1000, leased=True, in_service=True) is Result.ACCEPTED
    assert (ledger.wanted, ledger.staged is not None) == (NO_STAGE, True)
    ledger.watch(1020, NO_STAGE)
    assert ledger.wanted == 0
    ledger.watch(1040, 0)
    ledger.watch(1139, 0)
    assert ledger.wanted == 0
    ledger.watch(1140, 0)
    assert ledger.wanted == 3
    ledger.watch(1219, 3)
    assert ledger.wanted == 3
    ledger.watch(1220, 3)
    assert (ledger.wanted, ledger.expired) == (NO_STAGE, True)


def test_a_row_that_is_not_in_force_yet_does_not_run_out() -> None:
    ledger = Ledger(foreign_plan())
    ledger.submit(command(1, 0, 3), 0, leased=True, in_service=True)
    ledger.watch(290, 4)
    assert ledger.wanted == 0


@pytest.mark.parametrize(
    ("plan", "result"),
    [
        (command(5, 9), Result.UNKNOWN_STAGE),
        (command(5, -1), Result.UNKNOWN_STAGE),
        (PlanCommand(5, (PlanRow(0, 49, 100),), 100), Result.UNSAFE_TIMING),
        (PlanCommand(5, (PlanRow(0, 60, 50),), 100), Result.UNSAFE_TIMING),
        (command(0, 1), Result.STALE_SEQUENCE),
        (command(5, 1, ttl=0), Result.BAD_FIELD),
        (command(5, 1, ttl=3001), Result.BAD_FIELD),
        (command(5), Result.BAD_FIELD),
        (command(5, 1, pattern=3), Result.BAD_FIELD),
        (command(5, 1, calls=1 << 6), Result.BAD_FIELD),
        (PlanCommand(5, (), 100, kind=Kind.ALL_RED), Result.UNABLE),
        (PlanCommand(5, (), 100, kind=Kind.PATTERN, pattern=9), Result.BAD_FIELD),
        (PlanCommand(5, (), 100, kind=Kind.PATTERN, pattern=255), Result.BAD_FIELD),
        (PlanCommand(5, (PlanRow(0, 50, 90),), 100, kind=Kind.FLASH), Result.BAD_FIELD),
    ],
)
def test_what_is_refused_changes_nothing(plan: PlanCommand, result: Result) -> None:
    ledger = Ledger(foreign_plan())
    ledger.patterns = 8
    ledger.submit(command(4, 2), 0, leased=True, in_service=True)
    assert ledger.submit(plan, 10, leased=True, in_service=True) is result
    assert (ledger.wanted, ledger.accepted_seq) == (2, 4)


def test_the_order_of_numbers_wraps() -> None:
    ledger = Ledger(foreign_plan())
    for seq, result in ((0xFFFE, Result.ACCEPTED), (1, Result.ACCEPTED), (0xFFFF, Result.STALE_SEQUENCE)):
        assert ledger.submit(command(seq, 1), 0, leased=True, in_service=True) is result


def test_without_lease_or_out_of_service_nothing_is_taken() -> None:
    ledger = Ledger(foreign_plan())
    assert ledger.submit(command(1, 1), 0, leased=False, in_service=True) is Result.NOT_OWNER
    assert ledger.submit(command(1, 1), 0, leased=True, in_service=False) is Result.NOT_REMOTE


# --- lease ---


def test_one_controller_holds_a_cabinet(tmp_path: Path) -> None:
    one, other = HostLease("c:1", 1, "one", tmp_path), HostLease("c:1", 2, "other", tmp_path)
    assert one.holder() is None
    assert one.claim(10).owner == 1
    assert (other.claim(10).owner, other.claim(10).label) == (1, "one")
    beaten = other.beat()
    assert beaten is not None and beaten.owner == 1
    other.give_back()
    assert one.holder() is not None
    one.give_back()
    assert other.claim(10).owner == 2
    assert HostLease("c:2", 1, "one", tmp_path).claim(10).owner == 1, "another cabinet, another lease"


def test_a_lease_runs_out_and_is_not_revived(tmp_path: Path) -> None:
    one, other = HostLease("c", 1, "one", tmp_path), HostLease("c", 2, "other", tmp_path)
    one.claim(0.05)
    time.sleep(0.06)
    assert one.holder() is None
    assert one.beat() is None
    assert one.was_ours_lately()
    assert other.claim(10).owner == 2
    assert not one.was_ours_lately()


def test_a_damaged_lease_file_is_nobodys(tmp_path: Path) -> None:
    lease = HostLease("c", 1, "one", tmp_path)
    lease.claim(10)
    file = next(tmp_path.iterdir())
    file.write_text("{")
    assert lease.holder() is None
    assert lease.claim(10).owner == 1


def test_a_lease_from_before_the_host_started_is_dead(tmp_path: Path) -> None:
    lease = HostLease("c", 1, "one", tmp_path)
    lease.claim(10)
    file = next(tmp_path.iterdir())
    beat = time.clock_gettime(time.CLOCK_BOOTTIME) + 1000
    file.write_text(json.dumps({"owner": 1, "label": "one", "beat": beat, "limit": 10}))
    assert lease.holder() is None


def test_leases_do_not_follow_links(tmp_path: Path) -> None:
    """Somebody who can write the directory must not make the controller overwrite a file elsewhere."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "ntcip-c.lease").symlink_to(victim)
    with pytest.raises(CabinetError, match="lease"):
        HostLease("c", 1, "one", tmp_path).claim(10)
    assert victim.read_text() == "precious"


def _claim(directory: str, owner: int) -> int:
    return HostLease("c", owner, "x", Path(directory)).claim(10).owner


def test_of_many_processes_one_gets_it(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        owners = pool.starmap(_claim, [(str(tmp_path), owner) for owner in range(1, 13)])
    assert len(set(owners)) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CabinetError, match="lease_dir"):
        HostLease("c", 1, "one", tmp_path / "x").claim(1)


# --- profiles and dialing ---


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("Q-Free MaxTime 2.12", "maxtime"),
        ("Intelight X-2", "maxtime"),
        ("Econolite Cobalt", "econolite"),
        ("ASC/3 2.50", "econolite"),
        ("Stopline virtual controller", "virtual"),
        ("Yunex M60", "siemens"),
        ("something else", "generic"),
    ],
)
def test_a_device_is_known_by_what_it_says_of_itself(description: str, name: str) -> None:
    assert profile_for(description).name == name


def test_profiles_are_what_a_first_version_device_must_take() -> None:
    assert all(profile.max_varbinds <= 20 and profile.timeout_s >= 0.25 for profile in PROFILES.values())
    with pytest.raises(CabinetError, match="generic"):
        profile_named("nonesuch")


async def test_a_device_is_found_without_knowing_how_it_speaks() -> None:
    agent = ForeignAgent(ForeignController(backup=12))
    found = await probe(Address(host="127.0.0.1", port=await agent.port()))
    assert (found.device.profile.name, found.device.description) == ("generic", "Foreign controller")
    assert (found.max_phases, found.backup_time) == (8, 12)
    agent.close()


def test_scalars_at_another_instance_are_renamed() -> None:
    profile = replace(PROFILES["generic"], scalar_suffix={"systemPatternControl": 1})
    assert profile.renamed == {scalar("systemPatternControl"): (*scalar("systemPatternControl")[:-1], 1)}


async def test_nobody_there_lists_what_was_tried() -> None:
    with pytest.raises(CabinetOffline, match=r"v1 at port 9.*community"):
        await dial(Address(host="127.0.0.1", port=9))
