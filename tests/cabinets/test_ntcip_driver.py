"""The driver at a cabinet it does not know: written from the object table only, on another SNMP library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from stopline_cabinets import check_cabinet
from stopline_cabinets.errors import CabinetRefused, LeaseRefused, PlanRefused, WrongCabinet
from stopline_cabinets.ntcip import (
    Address,
    Feed,
    NtcipCabinet,
    Push,
    Timing,
    TransactionRefused,
    dial,
    spat,
    timing_of,
)
from stopline_cabinets.ntcip.checks import FAULT_BACKUP, FAULT_DATABASE, FAULT_EXPIRED, FAULT_PUSH
from stopline_cabinets.ntcip.groups import GroupMap, Lamps
from stopline_cabinets.ntcip.masks import mask_of
from stopline_cabinets.ntcip.objects import cell, objects
from stopline_cabinets.ntcip.push import STALE_S, Listener
from stopline_cabinets.snmp.v3 import UserAccess
from stopline_cabinets.words import Can, Kind, Mode, PlanCommand, PlanRow, Result
from stopline_signals.errors import CabinetError, CabinetTimeout
from stopline_signals.plan import Detector, DetectorKind
from tests.cabinets.ntcip_bench import Bench, held

EVERY = mask_of((1, 2, 4, 5, 6, 8))
THROUGH, SIDE = mask_of((2, 6)), mask_of((4, 8))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    found = await Bench(tmp_path).open()
    yield found
    found.close()


async def test_a_foreign_cabinet_passes_the_conformance_test(bench: Bench) -> None:
    """Every promise of the seam, plan deadlines, leases and the backup timer among them."""
    findings = await check_cabinet(lambda owner, label: bench.driver(owner, label), bench.plan, bench.pause)
    assert len(findings) > 40


async def test_a_stage_is_asked_for_by_all_masks_at_once(bench: Bench) -> None:
    cabinet = bench.driver()
    await cabinet.connect()
    await cabinet.write(bench.command(cabinet, bench.plan.stage_index("4+8")))
    first = next(pairs for pairs in bench.cabinet.sets if len(pairs) > 1)
    wanted = {"VehCall": SIDE, "Hold": SIDE, "PhaseOmit": EVERY & ~SIDE, "ForceOff": THROUGH}
    for name in ("VehCall", "PedCall", "Hold", "PhaseOmit", "PedOmit", "ForceOff"):
        assert first[cell(f"phaseControlGroup{name}", 1)] == wanted.get(name, 0), name
    assert len(first) == 7, "pattern and six masks in one message"
    assert bench.cabinet.values["systemPatternControl"] == 254
    state = await bench.until(cabinet, lambda s: s.stage == 4 and not s.in_transition)
    assert state.mode is Mode.REMOTE
    assert bench.masks() == {"VehCall": SIDE, "Hold": SIDE, "PhaseOmit": EVERY & ~SIDE}, "force-off is over"


async def test_minimum_greens_are_the_cabinets(bench: Bench) -> None:
    """A force-off right after green began waits for the cabinet's minimum."""
    cabinet = await held(bench, "4+8")
    await bench.until(cabinet, lambda s: s.stage == 4 and not s.in_transition)
    await cabinet.write(bench.command(cabinet, bench.plan.stage_index("2+6")))
    began = bench.cabinet.rings.since[0]
    await bench.until(cabinet, lambda s: s.stage == 3 and s.in_transition)
    assert bench.cabinet.rings.since[0] - began >= 50
    state = await cabinet.read()
    assert 1 <= state.settled_in <= 60


async def test_it_is_told_again_in_time_and_only_by_the_heartbeat(bench: Bench) -> None:
    cabinet = await held(bench, "2+6")
    sets = len(bench.cabinet.sets)
    for _ in range(40):
        await cabinet.read()
        await bench.pause(1)
    assert len(bench.cabinet.sets) == sets, "reading writes nothing"
    for _ in range(40):
        await cabinet.heartbeat()
        await cabinet.read()
        await bench.pause(4)
    told = len(bench.cabinet.sets) - sets
    assert 4 <= told <= 9, f"{told} times in 16 s with a backup time of 10 s"
    assert not bench.cabinet.backup_mode


async def test_zeros_on_release(bench: Bench) -> None:
    cabinet = await held(bench, "4+8")
    await cabinet.release()
    assert bench.masks() == {}
    assert bench.cabinet.values["systemPatternControl"] == 0
    assert bench.cabinet.control_status == 3


async def test_a_cabinet_that_lost_its_controller_is_lost_to_it(bench: Bench) -> None:
    """After a pause longer than the backup time, the first heartbeat says so and revives nothing."""
    cabinet = await held(bench, "4+8")
    await bench.pause(115)
    state = await cabinet.read()
    assert bench.cabinet.backup_mode
    assert (state.mode, state.active_seq) == (Mode.LOCAL, 0)
    assert state.faults & FAULT_BACKUP
    sets = len(bench.cabinet.sets)
    with pytest.raises(LeaseRefused, match="backup"):
        await cabinet.heartbeat()
    assert len(bench.cabinet.sets) == sets
    await cabinet.connect()
    await cabinet.write(bench.command(cabinet, 4))
    assert bench.masks()["Hold"] == SIDE


async def test_a_plan_ends_with_its_ttl_and_says_so(bench: Bench) -> None:
    cabinet = bench.driver()
    await cabinet.connect()
    await cabinet.write(bench.command(cabinet, 4, ttl=20))
    state = await bench.until(cabinet, lambda s: s.active_seq == 0)
    assert state.faults & FAULT_EXPIRED
    await cabinet.heartbeat()
    assert bench.masks() == {}


async def test_rows_follow_one_another(bench: Bench) -> None:
    cabinet = bench.driver()
    await cabinet.connect()
    rows = (PlanRow(3, 50, 60), PlanRow(4, 50, 600))
    await cabinet.write(PlanCommand(cabinet.next_seq, rows, 900))
    state = await bench.until(cabinet, lambda s: s.stage == 3 and not s.in_transition)
    assert state.row == 0
    state = await bench.until(cabinet, lambda s: s.stage == 4 and not s.in_transition)
    assert state.row == 1


async def test_calls_and_omits_are_masks_too(bench: Bench) -> None:
    cabinet = bench.driver()
    await cabinet.connect()
    east = bench.plan.group_index("p4")
    left = bench.plan.group_index("p1")
    plan = PlanCommand(
        cabinet.next_seq, (), 600, kind=Kind.PATTERN, pattern=254, calls=1 << east, omits=1 << left
    )
    await cabinet.write(plan)
    assert bench.masks() == {"VehCall": mask_of((4,)), "PhaseOmit": mask_of((1,))}
    state = await cabinet.read()
    assert state.calls >> east & 1
    assert state.omits == 1 << left
    assert Can.ALL_RED not in state.can


async def test_another_system_that_writes_is_noticed_and_not_fought(bench: Bench) -> None:
    cabinet = await held(bench, "2+6")
    await bench.until(cabinet, lambda s: s.stage == 3 and not s.in_transition)
    with pytest.raises(LeaseRefused, match="another system"):
        for _ in range(20):
            bench.cabinet.rings.masks["Hold"] = SIDE
            await cabinet.heartbeat()
            await bench.pause(8)
            await cabinet.read()
    assert bench.cabinet.rings.masks["Hold"] == SIDE, "what the other wrote stays"
    with pytest.raises(LeaseRefused, match="another system"):
        await cabinet.connect()


async def test_another_system_that_writes_in_step_with_us_is_noticed(bench: Bench) -> None:
    """Between two of our plans each time, so that every look that follows a plan shows ours."""
    cabinet = await held(bench, "2+6")
    with pytest.raises(LeaseRefused, match="another system"):
        for _ in range(5):
            await cabinet.read()
            bench.cabinet.rings.masks["Hold"] = SIDE
            await bench.pause(3)
            await cabinet.write(bench.command(cabinet, 3))
    assert bench.cabinet.rings.masks["Hold"] == SIDE, "what the other wrote stays"
    with pytest.raises(LeaseRefused, match="another system"):
        await cabinet.connect()


async def test_one_lost_mask_is_repaired(bench: Bench) -> None:
    cabinet = await held(bench, "2+6")
    bench.cabinet.rings.masks["Hold"] = 0
    await bench.pause(11)
    await cabinet.read()
    await cabinet.heartbeat()
    assert bench.cabinet.rings.masks["Hold"] == THROUGH
    await bench.pause(11)
    await cabinet.read()
    await cabinet.heartbeat()


async def test_a_cabinet_under_another_systems_control_is_left_alone(bench: Bench) -> None:
    bench.cabinet.values["systemPatternControl"] = 5
    cabinet = bench.driver()
    state = await cabinet.connect(lease=False)
    assert state.mode is Mode.REMOTE
    with pytest.raises(LeaseRefused, match="pattern 5"):
        await cabinet.connect()
    assert bench.cabinet.sets == []


async def test_a_restarted_controller_takes_over_what_it_left(bench: Bench) -> None:
    """The same owner, within the backup time: its own masks are no other system's."""
    await held(bench, "4+8")
    again = bench.driver()
    state = await again.connect()
    assert state.active_seq == 0
    await again.write(bench.command(again, 3))
    assert bench.masks()["Hold"] == THROUGH


@pytest.mark.parametrize("seconds", [0, 3, 300])
async def test_without_a_fit_backup_time_there_is_no_control(bench: Bench, seconds: int) -> None:
    bench.cabinet.values["unitBackupTime"] = seconds
    cabinet = bench.driver()
    await cabinet.connect(lease=False)
    with pytest.raises(CabinetRefused, match=rf"unitBackupTime is {seconds} s: set it to 5\.\.60 s"):
        await cabinet.connect()
    assert bench.cabinet.sets == []


@pytest.mark.parametrize(
    ("name", "value", "mode"),
    [
        ("coordOperationalMode", 3, Mode.MANUAL),
        ("unitAlarmStatus2", 1 << 4, Mode.MANUAL),
        ("unitBackupTime", 0, Mode.REMOTE),
    ],
)
async def test_what_forbids_control_ends_it_within_a_second(
    bench: Bench, name: str, value: int, mode: Mode
) -> None:
    cabinet = await held(bench, "4+8")
    bench.cabinet.values[name] = value
    await bench.pause(11)
    state = await cabinet.read()
    assert state.mode is mode
    await cabinet.heartbeat()
    assert bench.masks() == {}
    with pytest.raises(PlanRefused) as caught:
        await cabinet.write(bench.command(cabinet, 4))
    assert caught.value.result is Result.NOT_REMOTE


async def test_a_database_changed_by_hand_is_noticed_and_read_again(bench: Bench) -> None:
    cabinet = await held(bench, "4+8")
    bench.cabinet.values["globalSetIDParameter"] += 1
    await bench.pause(11)
    state = await cabinet.read()
    assert state.faults & FAULT_DATABASE
    assert state.active_seq == 1, "nothing that matters changed: control goes on"
    await cabinet.heartbeat()


async def test_a_database_that_no_longer_fits_ends_control(bench: Bench) -> None:
    cabinet = await held(bench, "4+8")
    bench.cabinet.table[(1, 3, 6, 1, 4, 1, 1206, 4, 2, 1, 1, 2, 1, 8, 4)] = lambda: 20
    bench.cabinet.values["globalSetIDParameter"] += 1
    await bench.pause(11)
    for _ in range(2):
        with pytest.raises(WrongCabinet, match="phase 4 yellow is 2 s in the cabinet, 3 s in the plan"):
            await cabinet.read()
    with pytest.raises(WrongCabinet):
        await cabinet.heartbeat()
    assert bench.masks() == {}
    with pytest.raises(WrongCabinet):
        await cabinet.connect(lease=False)
    bench.cabinet.table[(1, 3, 6, 1, 4, 1, 1206, 4, 2, 1, 1, 2, 1, 8, 4)] = lambda: 30
    await cabinet.connect(lease=False)


async def test_a_plan_with_phases_the_cabinet_lacks_is_refused(bench: Bench) -> None:
    groups = tuple(replace(group, phase=3) if group.name == "p4" else group for group in bench.plan.groups)
    bench.plan = replace(bench.plan, groups=groups)
    with pytest.raises(WrongCabinet, match="phase 3 is not enabled"):
        await bench.driver().connect(lease=False)


async def test_a_plan_whose_stage_the_cabinet_never_runs_is_refused(bench: Bench) -> None:
    cabinet = bench.driver(phases={"p4": 8, "p8": 4, "p1": 5, "p5": 1, "p2": 1, "p6": 5} | {"p1": 2, "p5": 6})
    bench.cabinet.table[(1, 3, 6, 1, 4, 1, 1206, 4, 2, 1, 1, 2, 1, 23, 4)] = lambda: b"\x07"
    bench.cabinet.table[(1, 3, 6, 1, 4, 1, 1206, 4, 2, 1, 1, 2, 1, 23, 8)] = lambda: b"\x03"
    with pytest.raises(WrongCabinet, match="does not run phases 4 and 8 together"):
        await cabinet.connect(lease=False)


async def test_a_restart_of_the_cabinet_is_noticed(bench: Bench) -> None:
    cabinet = await held(bench, "4+8")
    before = (await bench.until(cabinet, lambda s: s.time > 150)).time
    fresh = type(bench.cabinet)(rate=bench.rate)
    bench.cabinet.rings, bench.cabinet._began = fresh.rings, fresh._began  # pyright: ignore[reportPrivateUsage] # power off and on
    bench.cabinet.table = fresh.table
    bench.cabinet.tick = fresh.tick  # type: ignore[method-assign] # power off and on
    await bench.pause(11)
    state = await cabinet.read()
    assert state.time < before
    with pytest.raises(LeaseRefused, match="restarted"):
        await cabinet.heartbeat()


async def test_level_a_loads_splits_in_a_transaction_and_selects_the_pattern(bench: Bench) -> None:
    cabinet = bench.driver()
    await cabinet.connect()
    timing = timing_of(
        GroupMap(bench.plan), [(0, 12), (3, 30), (4, 18)], pattern=7, split_table=7, coordinated=2
    )
    assert timing.splits == {1: 12, 2: 30, 4: 18, 5: 12, 6: 30, 8: 18}
    await cabinet.load_pattern(timing)
    database = {oid[11:]: value for oid, value in bench.cabinet.database.items()}
    assert database[7, 1, 2, 7] == 60
    assert [database[9, 1, 3, 7, phase] for phase in (1, 2, 4)] == [12, 30, 18]
    assert bench.cabinet.values["dbCreateTransaction"] == 1, "closed again"
    await cabinet.write(PlanCommand(cabinet.next_seq, (), 3000, kind=Kind.PATTERN, pattern=7))
    assert bench.cabinet.values["systemPatternControl"] == 7
    state = await cabinet.read()
    assert (state.pattern, state.mode) == (7, Mode.REMOTE)
    assert not state.faults & FAULT_DATABASE, "the change was ours"
    await cabinet.release()
    assert bench.cabinet.values["systemPatternControl"] == 0


async def test_splits_the_cabinet_could_not_run_are_not_even_sent(bench: Bench) -> None:
    cabinet = bench.driver()
    await cabinet.connect()
    wrong = Timing(
        pattern=7, split_table=7, cycle=60, splits={1: 5, 2: 30, 4: 18, 5: 12, 6: 30, 8: 18}, coordinated=2
    )
    with pytest.raises(CabinetRefused, match=r"split of phase 1 is 5 s.*ring 1 adds up to 53 s"):
        await cabinet.load_pattern(wrong)
    assert bench.cabinet.sets == []


async def test_a_transaction_the_cabinet_refuses_is_closed_and_reported(bench: Bench) -> None:
    cabinet = bench.driver()
    await cabinet.connect()
    bench.cabinet.verify_error = b"SPLIT 7 SUM FAULT"
    timing = timing_of(
        GroupMap(bench.plan), [(3, 30), (0, 12), (4, 18)], pattern=7, split_table=7, coordinated=2
    )
    with pytest.raises(TransactionRefused, match="SPLIT 7 SUM FAULT"):
        await cabinet.load_pattern(timing)
    assert bench.cabinet.values["dbCreateTransaction"] == 1


async def test_somebody_elses_transaction_is_left_alone(bench: Bench) -> None:
    cabinet = bench.driver()
    await cabinet.connect()
    bench.cabinet.values["dbCreateTransaction"] = 2
    timing = timing_of(
        GroupMap(bench.plan), [(3, 30), (0, 12), (4, 18)], pattern=7, split_table=7, coordinated=2
    )
    with pytest.raises(TransactionRefused, match="another system"):
        await cabinet.load_pattern(timing)
    assert bench.cabinet.sets == []


async def test_no_lease_no_preempt_no_pattern(bench: Bench) -> None:
    cabinet = bench.driver()
    await cabinet.connect(lease=False)
    with pytest.raises(PlanRefused) as refused:
        await cabinet.write(bench.preempt(cabinet))
    assert refused.value.result is Result.NOT_OWNER
    with pytest.raises(LeaseRefused):
        await cabinet.load_pattern(Timing(pattern=1, split_table=1, cycle=60, splits={2: 60}, coordinated=2))


async def test_a_silent_cabinet_is_a_timeout(bench: Bench) -> None:
    cabinet = await held(bench, "4+8")
    bench.close()
    with pytest.raises(CabinetTimeout):
        await cabinet.write(bench.command(cabinet, 3))
    with pytest.raises(CabinetTimeout):
        await bench.pause(2)
        await cabinet.read()


async def test_a_wrong_write_community_is_told_from_other_faults(bench: Bench) -> None:
    address = Address(host="127.0.0.1", port=bench.port, profile="generic", write_community="public")
    cabinet = NtcipCabinet(
        lambda: dial(address), bench.plan, address="x", owner=3, rate=bench.rate, lease_dir=bench.leases
    )
    await cabinet.connect()
    with pytest.raises(CabinetRefused):
        await cabinet.write(bench.command(cabinet, 4))
    assert bench.masks() == {}
    assert (await cabinet.read()).active_seq == 0


async def test_the_whole_driver_over_version_3(bench: Bench) -> None:
    user = UserAccess(
        host="127.0.0.1",
        port=bench.port,
        user="stopline",
        auth_key="authentication",
        privacy_key="privacy-privacy",
        timeout=5,
    )
    address = Address(host="127.0.0.1", port=bench.port, profile="generic", user=user)
    cabinet = NtcipCabinet(
        lambda: dial(address), bench.plan, address="v3", owner=3, rate=bench.rate, lease_dir=bench.leases
    )
    await cabinet.connect()
    await cabinet.write(bench.command(cabinet, 4))
    assert bench.masks()["Hold"] == SIDE
    await cabinet.release()
    assert bench.masks() == {}


async def test_pushed_states_take_the_place_of_polling_and_polling_theirs(bench: Bench) -> None:
    """Lamps come from the push while it comes, and are polled the moment it stops; that is a fault."""
    taken = await Listener.shared("127.0.0.1", 0)
    port = taken.port
    taken.close()
    cabinet = bench.driver(push=Push("127.0.0.1", port, "127.0.0.1"), poll=60)
    state = await cabinet.connect(lease=False)
    assert state.stage == bench.plan.stage_index("2+6")
    assert state.faults & FAULT_PUSH
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=("127.0.0.1", port)
    )
    shown = Lamps(reds=EVERY & ~SIDE, greens=SIDE, ons=SIDE)
    for sequence, status in ((1, 0), (2, spat.PREEMPT)):
        transport.sendto(spat.encode(spat.Spat(shown, sequence=sequence, status=status)))
        await asyncio.sleep(0.02)
        state = await cabinet.read()
        assert state.stage == bench.plan.stage_index("4+8")
        assert state.mode is (Mode.PREEMPT if status else Mode.LOCAL)
        assert not state.faults & FAULT_PUSH
    await asyncio.sleep(STALE_S + 0.05)
    state = await cabinet.read()
    assert state.stage == bench.plan.stage_index("2+6")
    assert (state.mode, state.faults) == (Mode.LOCAL, FAULT_PUSH)
    transport.close()


async def test_volumes_are_read_once_a_period_and_only_whole(bench: Bench) -> None:
    """The table counts when its number is the same before and after; a known number is no news."""
    near = Detector("near", DetectorKind.NEAR_ZONE, bench.plan.group_index("p2"), 0, 50)
    bench.plan = replace(bench.plan, detectors=(near,))
    numbers = iter([1, 2, 2, 2, 2, 3])
    occupancy = [20]
    bench.cabinet.active = 1
    for name, read, index in (
        ("volumeOccupancyPeriod", lambda: 1, ()),
        ("activeVolumeOccupancyDetectors", lambda: 1, ()),
        ("volumeOccupancySequence", lambda: next(numbers), ()),
        ("detectorVolume", lambda: 3, (1,)),
        ("detectorOccupancy", lambda: occupancy[0], (1,)),
    ):
        bench.cabinet.table[(*objects()[name].oid, *index)] = read
    cabinet = bench.driver(feeds={"near": Feed((1,))})
    occupancy[0] = 212
    assert (await cabinet.connect(lease=False)).readings[0].healthy, "the number moved from 1 to 2 meanwhile"
    await bench.pause(11)
    await cabinet.read()
    await bench.pause(2)
    assert not (await cabinet.read()).readings[0].healthy, "whole: 212 is an open loop"
    occupancy[0] = 30
    await bench.pause(11)
    await cabinet.read()
    await bench.pause(2)
    assert not (await cabinet.read()).readings[0].healthy, "still period 2: nothing new"


async def test_not_connected_is_said(bench: Bench) -> None:
    cabinet = bench.driver()
    with pytest.raises(CabinetError, match="connect first"):
        await cabinet.read()
