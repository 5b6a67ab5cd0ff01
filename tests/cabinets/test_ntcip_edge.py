"""Where phases meet groups, detector inputs meet readings, and pushed signal states come in."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stopline_cabinets.ntcip import spat
from stopline_cabinets.ntcip.feeds import (
    STANDING,
    Detections,
    Feed,
    Feeds,
    Volume,
    default_feeds,
    inputs_on,
    sensor_feeds,
)
from stopline_cabinets.ntcip.groups import GroupMap, Lamps, StageWatch
from stopline_cabinets.ntcip.masks import mask_of
from stopline_cabinets.ntcip.push import STALE_S, Listener
from stopline_cabinets.words import DARK, NO_STAGE
from stopline_signals.detectors import DetectorReading
from stopline_signals.errors import CabinetError, PlanError
from stopline_signals.plan import (
    NO_CONFLICT,
    Aspect,
    Detector,
    DetectorKind,
    SignalGroup,
    SignalPlan,
    Stage,
)
from stopline_signals.ring_barrier import Overlap, Phase, dual_ring
from tests.signals.plans_for_tests import four_groups

RED, YELLOW, PERMISSIVE, GREEN = map(int, Aspect)


def arrow_plan() -> SignalPlan:
    """Phases 1 to 8 with a walk beside 2, a flashing arrow for 1 beside 2, and a right-turn overlap."""
    plan = dual_ring(
        "Arrows",
        [
            Phase(number=1, permissive_with=(2,)),
            Phase(number=2, walk=70, ped_clear=100),
        ],
        overlaps=[Overlap(name="right", parents=(3,))],
    ).plan()
    detectors = [
        Detector(f"{kind}:{name}", kind, plan.group_index(name), 0, 50, 6.4)
        for name in ("2", "6")
        for kind in (DetectorKind.NEAR_ZONE, DetectorKind.FAR_ZONE)
    ]
    button = Detector("button:P2", DetectorKind.BUTTON, plan.group_index("P2"))
    return replace(plan, detectors=(*detectors, button))


PLAN = arrow_plan()
MAP = GroupMap(PLAN)


def lamps(greens: tuple[int, ...] = (), yellows: tuple[int, ...] = (), **more: int) -> Lamps:
    shown = mask_of((*greens, *yellows))
    return Lamps(
        reds=0xFF & ~shown, yellows=mask_of(yellows), greens=mask_of(greens), dont_walks=0xFF, ons=shown
    )._replace(**more)


def aspect(name: str, shown: Lamps) -> int:
    return MAP.aspects(shown)[PLAN.group_index(name)]


# --- groups ---


def test_stages_are_sets_of_phases() -> None:
    names = [stage.name for stage in PLAN.stages]
    assert dict(zip(names, MAP.stage_phases, strict=True))["2+6"] == 0x22
    assert MAP.phases == 0xFF
    assert MAP.highest_overlap == 1
    assert MAP.overlap_of[PLAN.group_index("right")] == 1


def test_lamps_become_aspects() -> None:
    shown = lamps((2,), (6,), walks=mask_of((2,)), overlap_reds=1)
    assert aspect("2", shown) == GREEN
    assert aspect("6", shown) == YELLOW
    assert aspect("4", shown) == RED
    assert aspect("P2", shown) == GREEN
    assert aspect("P2", shown._replace(walks=0, ped_clears=2)) == YELLOW
    assert aspect("P2", shown._replace(walks=0)) == RED
    assert aspect("right", shown._replace(overlap_reds=0, overlap_greens=1)) == GREEN
    assert aspect("right", shown._replace(overlap_reds=0, overlap_yellows=1)) == YELLOW
    assert aspect("right", shown._replace(overlap_reds=0)) == DARK


def test_a_flashing_arrow_follows_the_traffic_it_gives_way_to() -> None:
    """The status of phase 1 is red while its arrow flashes beside phase 2."""
    assert aspect("1", lamps((2, 6))) == PERMISSIVE
    assert aspect("1", lamps((6,), (2,))) == YELLOW
    assert aspect("1", lamps((1, 6))) == GREEN
    assert aspect("1", lamps((1, 5))) == GREEN
    assert aspect("1", lamps((4, 8))) == RED


def test_every_stage_of_the_plan_shows_as_itself() -> None:
    for index, stage in enumerate(PLAN.stages):
        phases = tuple(int(number) for number in stage.name.split("+"))
        shown = lamps(phases, overlap_reds=3 not in phases, overlap_greens=3 in phases)
        found = MAP.aspects(shown)
        for group, wanted in enumerate(stage.aspect(g) for g in range(len(PLAN.groups))):
            if not PLAN.groups[group].on_demand:
                assert found[group] == wanted, (stage.name, PLAN.groups[group].name)
        assert MAP.stage_showing(shown.greens) == index


def test_a_plan_without_phases_needs_them_from_the_site() -> None:
    plan = four_groups()
    with pytest.raises(PlanError, match="give it one"):
        GroupMap(plan)
    known = {"north": 2, "east": 4, "left": 1, "walk": 2}
    assert GroupMap(plan, phases=known).stage_phases == (mask_of((2,)), mask_of((4,)), mask_of((1,)))
    with pytest.raises(PlanError, match="same phases as stage north"):
        GroupMap(plan, phases=known | {"east": 2})
    with pytest.raises(PlanError, match="nonesuch"):
        GroupMap(plan, phases={"nonesuch": 1})


def test_a_stage_of_overlaps_only_has_no_phase_to_ask_for() -> None:
    with pytest.raises(PlanError, match="no phase"):
        GroupMap(four_groups(), phases={"north": 2, "east": 4, "walk": 2})


def test_a_turn_that_its_stage_has_red_flashes_no_arrow_beside_traffic_it_could_give_way_to() -> None:
    groups = tuple(
        SignalGroup(name=name, phase=phase) for name, phase in (("main", 2), ("right", 3), ("side", 4))
    )
    clear = tuple(tuple(NO_CONFLICT if i == j else 60 for j in range(3)) for i in range(3))
    plan = SignalPlan(
        junction="right turn",
        groups=groups,
        stages=(Stage("main alone", (0,)), Stage("main and right", (0,), (1,)), Stage("side", (2,), (1,))),
        intergreen=clear,
        yields=((False,) * 3, (True, False, True), (False,) * 3),
    )
    known = GroupMap(plan)
    assert known.aspects(lamps((2,))) == (GREEN, RED, RED)
    assert known.aspects(lamps((2, 3))) == (GREEN, PERMISSIVE, RED)
    assert known.aspects(lamps((4, 3))) == (RED, PERMISSIVE, GREEN)


# --- stages over time ---


def stage(name: str) -> int:
    return PLAN.stage_index(name)


def test_a_change_of_stage_is_seen_from_the_lamps() -> None:
    watch = StageWatch(MAP)
    two_six, four_eight = stage("2+6"), stage("4+8")
    assert watch.see(0, lamps((2, 6)), NO_STAGE)[:3] == (two_six, False, 0)
    assert watch.see(100, lamps((2, 6)), four_eight)[:2] == (two_six, False), "asked, not yet taken up"
    entering = watch.see(110, lamps((), (2, 6)), four_eight)
    assert entering[:2] == (four_eight, True)
    assert 40 <= entering.settled_in <= 60
    later = watch.see(140, lamps((), ())._replace(ons=0x22), four_eight)
    assert later.settled_in == entering.settled_in - 30
    assert watch.see(160, lamps((4,), ())._replace(ons=0x88), four_eight)[:2] == (four_eight, True)
    assert watch.see(165, lamps((4, 8)), four_eight) == (four_eight, False, 0, 0)
    assert watch.see(200, lamps((4, 8)), four_eight).elapsed == 35


def test_by_itself_a_cabinet_shows_where_it_goes() -> None:
    watch = StageWatch(MAP)
    watch.see(0, lamps((2, 6)), NO_STAGE)
    going = watch.see(10, lamps((6,), (2,))._replace(nexts=mask_of((1, 6))), NO_STAGE)
    assert going[:2] == (stage("1+6"), True)


def test_one_phase_alone_is_its_stage_when_nobody_called_its_partner() -> None:
    watch = StageWatch(MAP)
    watch.see(0, lamps((2, 6)), NO_STAGE)
    assert watch.see(10, lamps((2,)), NO_STAGE)[:2] == (stage("2+6"), False)


def test_dark_lamps_keep_the_last_stage() -> None:
    watch = StageWatch(MAP)
    watch.see(0, lamps((4, 8)), NO_STAGE)
    assert watch.see(10, Lamps(), NO_STAGE)[:2] == (stage("4+8"), False)


def test_all_red_is_on_the_way_to_a_stage() -> None:
    assert StageWatch(MAP).see(0, lamps(), NO_STAGE).in_transition


# --- detectors ---

READINGS = st.integers(0, 7).flatmap(
    lambda vehicles: st.builds(
        DetectorReading, st.just(vehicles), st.integers(0, vehicles), healthy=st.just(True)
    )
)


@given(st.lists(READINGS, min_size=4, max_size=4))
def test_a_zone_sensor_and_the_driver_agree(readings: list[DetectorReading]) -> None:
    """What a virtual cabinet switches on for a reading reads as that reading."""
    feeds = sensor_feeds(PLAN)
    on = set[int]()
    for name, reading in zip(feeds, readings, strict=True):
        on |= inputs_on(feeds[name], reading)
    found = Feeds(MAP, feeds).readings(0, Detections(mask_of(on), ped_calls=mask_of((2,))))
    assert list(found[:4]) == readings
    assert found[4] == DetectorReading(1, 0)


def test_inputs_are_each_used_once_the_zones_own_detectors_first() -> None:
    own = [n for feed in default_feeds(PLAN).values() for n in feed.presence]
    more = [n for feed in sensor_feeds(PLAN).values() for n in (*feed.presence, *feed.queue)]
    assert own + more == list(range(1, len(own) + len(more) + 1))


def loop_feeds() -> Feeds:
    names = [detector.name for detector in PLAN.detectors[:4]]
    loops = {names[0]: (1, 2), names[1]: (3,), names[2]: (4, 5), names[3]: (9,)}
    return Feeds(MAP, {name: Feed(numbers) for name, numbers in loops.items()})


def test_a_loop_that_stays_on_is_a_standing_vehicle() -> None:
    feeds = loop_feeds()
    on = Detections(mask_of((1, 2)))
    assert feeds.readings(0, on)[0] == DetectorReading(2, 0)
    assert feeds.readings(STANDING - 1, Detections(mask_of((1,))))[0] == DetectorReading(1, 0)
    assert feeds.readings(STANDING, on)[0] == DetectorReading(2, 1), "the second one left in between"
    assert feeds.readings(STANDING + 5, Detections())[0] == DetectorReading(0, 0)


def test_a_full_occupancy_is_a_standing_vehicle_and_a_fault_code_a_fault() -> None:
    feeds = loop_feeds()
    assert list(feeds.loops) == [1, 2, 3, 4, 5, 9]
    volumes = {1: Volume(0, 198), 2: Volume(4, 60), 3: Volume(0, 212), 4: Volume(3, 20)}
    found = feeds.readings(0, Detections(mask_of((1, 2)), volumes=volumes))
    assert found[0] == DetectorReading(2, 1)
    assert found[1] == DetectorReading(0, 0, healthy=False)
    assert found[2].healthy


def test_an_alarm_makes_a_zone_unhealthy() -> None:
    found = loop_feeds().readings(0, Detections(alarms=mask_of((5,))))
    assert [reading.healthy for reading in found] == [True, True, False, True, True]


def test_every_zone_needs_its_feed() -> None:
    with pytest.raises(PlanError, match="name every zone once"):
        Feeds(MAP, {"near_zone:2": Feed((1,))})


# --- pushes ---


def spat_of(greens: int, sequence: int, *, time: int = 0, status: int = 0) -> spat.Spat:
    return spat.Spat(
        Lamps(reds=0xFF & ~greens, greens=greens, dont_walks=0xFF, ons=greens),
        sequence=sequence,
        time=time,
        status=status,
    )


def test_the_layout_is_the_published_one() -> None:
    frame = spat.encode(spat_of(0x22, 9, time=(12 * 3600 + 1) * 1000 + 345, status=1 << 5))
    assert len(frame) == 241
    assert (frame[0], frame[1], frame[2], frame[15]) == (0xCD, 16, 1, 2)
    assert frame[3:15] == b"\xff" * 12
    assert frame[210:216].hex() == "00dd00000022", "reds, yellows, greens"
    assert frame[232] == 1 << 5
    assert frame[235] == 9
    assert int.from_bytes(frame[236:239], "big") == 43_201
    assert int.from_bytes(frame[239:241], "big") == 345


U16 = st.integers(0, 0xFFFF)


@given(st.lists(U16, min_size=9, max_size=9), st.integers(0, 255), st.integers(0, 86_399_999), st.booleans())
def test_a_push_is_read_as_it_was_written(
    masks: list[int], sequence: int, time: int, with_calls: bool
) -> None:
    shown = Lamps._make((*masks[:6], masks[1] | masks[2], 0, *masks[6:]))
    ends = tuple(spat.Ends(number, number + 1, 3, 4, 5, 0xFFFF) for number in range(16))
    pushed = spat.Spat(
        shown, ends, 3, 4, 5, 6, True, sequence, time, 7 if with_calls else None, 8 if with_calls else 0
    )
    assert spat.decode(spat.encode(pushed)) == pushed


@pytest.mark.parametrize("size", [0, 1, 240, 242, 244, 246, 1500])
def test_a_push_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(spat.SpatError):
        spat.decode(b"\xcd\x10" + b"\x00" * (size - 2) if size > 1 else b"\xcd" * size)


async def test_pushes_are_kept_by_sender_newest_first_and_only_while_fresh() -> None:
    listener = await Listener.shared("127.0.0.1", 0)
    latest, stranger = listener.expect("127.0.0.1"), listener.expect("127.0.0.2")
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=("127.0.0.1", listener.port)
    )
    assert latest() is None
    for frame in (
        spat.encode(spat_of(0x22, 255)),
        spat.encode(spat_of(0x44, 0)),
        spat.encode(spat_of(0x11, 254)),
        b"garbage",
    ):
        transport.sendto(frame)
    await asyncio.sleep(0.05)
    seen = latest()
    assert seen is not None and seen.lamps.greens == 0x44, "the late one is dropped, the wrap is not"
    assert listener.dropped == 2
    assert stranger() is None
    await asyncio.sleep(STALE_S)
    assert latest() is None
    transport.close()
    listener.close()


async def test_an_address_in_use_is_named() -> None:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    with pytest.raises(CabinetError, match=f"127.0.0.1:{port}"):
        await Listener.shared("127.0.0.1", port)
    transport.close()
