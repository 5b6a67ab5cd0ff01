"""What reaches the virtual NTCIP cabinet from street and panel: detectors, preempts, power, the clock."""

from __future__ import annotations

import asyncio

import pytest

from stopline_cabinets.ntcip import spat
from stopline_hil.ntcip import Push
from stopline_hil.ntcip.hires import Code
from stopline_mmu import Lamp
from stopline_signals.detectors import DetectorReading
from tests.hil.ntcip_virtual import (
    ASC,
    CONTROL_STATUS,
    FLASH_STATUS,
    GREENS,
    HOLD,
    NEMA,
    PATTERN_CONTROL,
    Virtual,
    bits,
)

ACTIVE, ALARMS = ((*ASC, 2, 4, 1, column, 1) for column in (2, 3))
SEQUENCE, PERIOD = (*ASC, 2, 5, 1, 0), (*ASC, 2, 5, 2, 0)
ACTUATE, PRESS = (*ASC, 2, 12, 1, 2, 1), (*ASC, 2, 13, 1, 2, 1)
ALARM_STATUS_2 = (*ASC, 3, 7, 0)
GLOBAL_TIME = (*NEMA, 6, 3, 1, 0)
UP_TIME = (1, 3, 6, 1, 2, 1, 1, 3, 0)
NOT_ACTIVE, ENTRY, DWELL, EXIT = 2, 4, 6, 8


@pytest.fixture
def bench() -> Virtual:
    return Virtual()


def volume(bench: Virtual, detector: int) -> tuple[int, int]:
    """Vehicles and occupancy (0.5 %) of the last period."""
    count, occupancy = (bench.number_at((*ASC, 2, 5, 4, 1, column, detector)) for column in (1, 2))
    return count, occupancy


def preempt_state(bench: Virtual, number: int) -> int:
    return bench.number_at((*ASC, 6, 2, 1, 16, number))


def input_of(bench: Virtual, phase: int) -> int:
    """Number of the near zone's detector of a phase, counted as the cabinet's plan lists its zones."""
    zones = [detector.name for detector in bench.plan.detectors if "button" not in detector.name]
    return zones.index(f"{phase} near") + 1


def test_a_vehicle_is_an_input_that_is_on_and_calls_its_phase(bench: Virtual) -> None:
    bench.vehicle(1)
    bench.run(2)
    assert bench.get(ACTIVE) == bits(input_of(bench, 1))
    assert bench.number_at((*ASC, 1, 4, 1, 8, 1)) & bits(1), "phase 1 is called"
    bench.vehicle()
    bench.run(2)
    assert bench.get(ACTIVE) == 0
    events = [(r.code, r.param) for r in bench.cabinet.unit.log.of(Code.DETECTOR_ON, Code.DETECTOR_OFF)]
    assert events == [(Code.DETECTOR_ON, input_of(bench, 1)), (Code.DETECTOR_OFF, input_of(bench, 1))]


def test_volume_and_occupancy_are_of_whole_periods(bench: Virtual) -> None:
    """Three vehicles of two seconds each in a period of twenty: 3, and 30 % of the time."""
    bench.must_set((PERIOD, 20))
    first = bench.number_at(SEQUENCE)
    bench.until(lambda: bench.number_at(SEQUENCE) != first)
    before = bench.number_at(SEQUENCE)
    for _ in range(3):
        bench.vehicle(3)
        bench.run(20)
        bench.vehicle()
        bench.run(20)
    assert bench.number_at(SEQUENCE) == before, "the period is not over"
    bench.until(lambda: bench.number_at(SEQUENCE) != before)
    assert bench.number_at(SEQUENCE) == (before + 1) % 256
    assert volume(bench, input_of(bench, 3)) == (3, 60)
    bench.run(200)
    assert volume(bench, input_of(bench, 3)) == (0, 0)


def test_a_broken_sensor_is_an_alarm_a_call_and_a_code_instead_of_a_figure(bench: Virtual) -> None:
    bench.must_set((PERIOD, 10))
    at = [detector.name for detector in bench.plan.detectors].index("3 near")
    bench.readings[at] = DetectorReading(healthy=False)
    bench.cabinet.set_readings(bench.readings)
    number = input_of(bench, 3)
    bench.until(lambda: bench.number_at(ALARMS) == bits(number))
    assert bench.number_at((*ASC, 1, 4, 1, 8, 1)) & bits(3), "what is not known is served"
    bench.run(250)
    assert volume(bench, number)[1] == 212, "open loop"
    bench.readings[at] = DetectorReading()
    bench.cabinet.set_readings(bench.readings)
    bench.run(250)
    assert bench.get(ALARMS) == 0 and volume(bench, number) == (0, 0)


def test_bits_of_remote_actuation_count_as_the_sensors_do(bench: Virtual) -> None:
    number = input_of(bench, 1)
    bench.must_set((ACTUATE, bits(number)), (PRESS, bits(2)))
    bench.run(2)
    assert bench.get(ACTIVE) == bits(number)
    assert bench.number_at((*ASC, 1, 4, 1, 9, 1)) == bits(4), "the second button is phase 4's"
    assert bench.get(CONTROL_STATUS) == 6, "an actuation is nobody's control"
    bench.must_set((ACTUATE, 0), (PRESS, 0))
    bench.run(2)
    assert bench.get(ACTIVE) == 0
    assert bench.number_at((*ASC, 1, 4, 1, 9, 1)) == bits(4), "a pedestrian goes on waiting"


def dwelling_in(bench: Virtual, *phases: int) -> int:
    """Number of the preempt that dwells in these phases."""
    return next(n for n in range(1, 9) if bench.get((*ASC, 6, 2, 1, 13, n)) == bytes(phases))


@pytest.mark.parametrize("wired", [True, False], ids=["wired", "by SNMP"])
def test_a_preempt_goes_through_its_states_and_logs_them(bench: Virtual, wired: bool) -> None:
    number = dwelling_in(bench, 4, 8)

    def call(on: bool) -> None:
        if wired:
            bench.cabinet.set_preempt(number, on)
        else:
            bench.must_set(((*ASC, 6, 3, 1, 2, number), int(on)))

    call(True)
    bench.until(lambda: preempt_state(bench, number) == ENTRY)
    assert bench.until(lambda: preempt_state(bench, number) == DWELL) > 40, "over yellow and red clearance"
    assert bench.greens == bits(4, 8)
    call(False)
    bench.until(lambda: preempt_state(bench, number) == EXIT)
    bench.until(lambda: preempt_state(bench, number) == NOT_ACTIVE)
    assert bench.greens != bits(4, 8)
    logged = bench.cabinet.unit.log.of(102, 104, 105, 107, 111)
    assert [int(r.code) for r in logged] == [102, 105, 107, 104, 111] and {r.param for r in logged} == {
        number
    }
    bench.assert_safe()


def test_a_preempt_nobody_renews_ends_with_the_backup_time(bench: Virtual) -> None:
    number = dwelling_in(bench, 4, 8)
    bench.must_set(((*ASC, 6, 3, 1, 2, number), 1))
    bench.until(lambda: preempt_state(bench, number) == DWELL)
    bench.until(lambda: bench.number_at((*ASC, 6, 3, 1, 2, number)) == 0, 160)
    bench.until(lambda: preempt_state(bench, number) == NOT_ACTIVE)
    assert bench.get(CONTROL_STATUS) == 4


def test_a_wired_input_keeps_a_preempt_that_snmp_lets_go(bench: Virtual) -> None:
    number = dwelling_in(bench, 4, 8)
    bench.cabinet.set_preempt(number, True)
    bench.must_set(((*ASC, 6, 3, 1, 2, number), 1))
    bench.until(lambda: preempt_state(bench, number) == DWELL)
    bench.must_set(((*ASC, 6, 3, 1, 2, number), 0))
    bench.run(200)
    assert preempt_state(bench, number) == DWELL


def test_power_lost_and_back_starts_up_with_flash_and_all_red(bench: Virtual) -> None:
    bench.must_set(((*ASC, 3, 1, 0), 8), (HOLD, bits(2)))
    bench.run(10)
    bench.cabinet.power_off()
    assert bench.ask(160, []) is None, "nobody answers"
    assert set(bench.cabinet.lamps()) == {Lamp.DARK}
    bench.run(100)
    bench.cabinet.power_on()
    bench.run(5)
    assert bench.number_at(UP_TIME) < 100
    assert (bench.get(FLASH_STATUS), bench.get(HOLD)) == (7, 0)
    assert set(bench.cabinet.lamps()) == {Lamp.FLASH}
    bench.until(lambda: bench.number_at(FLASH_STATUS) == 2, 90)
    assert set(bench.cabinet.lamps()) == {Lamp.RED}
    assert bench.number_at(ALARM_STATUS_2) & 1, "power restart"
    bench.until(lambda: bench.greens == bits(2, 6))
    log = bench.cabinet.unit.log
    assert log.of(Code.POWER_FAIL) and log.of(Code.POWER_RESTORE)
    assert [r.param for r in log.of(Code.FLASH_STATUS)] == [7, 2]
    bench.assert_safe()


def test_the_panel_has_the_last_word(bench: Virtual) -> None:
    bench.must_set((PATTERN_CONTROL, 254))
    stage = bench.plan.stage_index("4+8")
    bench.cabinet.set_manual(stage)
    bench.until(lambda: bench.greens == bits(4, 8))
    assert bench.get(CONTROL_STATUS) == 5
    bench.cabinet.set_manual(None)
    bench.cabinet.set_flash(True)
    bench.until(lambda: bench.number_at(FLASH_STATUS) == 4)
    assert bench.get(GREENS) == 0, "lamps that flash are in no mask"
    bench.cabinet.set_flash(False)
    bench.until(lambda: bench.number_at(FLASH_STATUS) == 2)
    bench.cabinet.set_stop_time(True)
    greens = bench.greens
    bench.vehicle(1, 3, 4)
    bench.run(600)
    assert bench.greens == greens and bench.number_at(ALARM_STATUS_2) & 16
    bench.cabinet.set_stop_time(False)
    bench.until(lambda: bench.greens != greens)
    log = bench.cabinet.unit.log
    assert [r.param for r in log.of(Code.MANUAL_CONTROL)] == [1, 0]
    assert [r.param for r in log.of(Code.STOP_TIME)] == [1, 0]
    bench.assert_safe()


def test_setting_the_clock_moves_stamps_and_no_timer(bench: Virtual) -> None:
    assert bench.number_at(GLOBAL_TIME) == 1_700_000_000 + bench.now // 10
    up = bench.number_at(UP_TIME)
    bench.must_set((HOLD, bits(2)))
    answer = bench.set_counter(GLOBAL_TIME, 1_800_000_000)
    assert answer == 0
    bench.run(20)
    assert bench.number_at(GLOBAL_TIME) == 1_800_000_002
    assert bench.number_at(UP_TIME) == up + 200
    assert bench.get(HOLD) == bits(2), "the backup timer runs on"
    assert bench.cabinet.unit.log.of(Code.CLOCK_UPDATED)
    assert bench.cabinet.unit.log.stamp(bench.now).startswith("2027-01-15 08:00:0")


def reach(bench: Virtual, greens: int) -> None:
    bench.until(lambda: bench.greens == greens)


PHASES = {*range(13), 21, 22, 23, 31, *range(41, 50)}
REST = {81, 82, 83, 86, 89, 90, 131, 150, 155, 173, 174}


def test_the_log_has_every_event_the_measures_need(bench: Virtual) -> None:
    """What nothing in this half hour brings is tested where it belongs: preempts, patterns, power, panel."""
    for phase, seconds in ((1, 10), (3, 10)):
        bench.must_set(((*ASC, 1, 2, 1, 6, phase), seconds))
    for round_ in range(12):
        bench.vehicle(*(range(1, 9) if round_ % 3 else (2, 6)))
        bench.press(4, down=round_ % 4 == 0)
        bench.run(450)
    bench.must_set((HOLD, bits(2)), ((*ASC, 1, 5, 1, 2, 1), bits(3)), ((*ASC, 1, 5, 1, 3, 1), bits(4)))
    bench.run(200)
    bench.vehicle(2, 6)
    reach(bench, bits(2, 6))
    bench.vehicle(2, 4, 6, 8)
    bench.must_set(((*ASC, 1, 5, 1, 5, 1), bits(2, 6)))
    reach(bench, bits(4, 8))
    bench.must_set((PATTERN_CONTROL, 255))
    bench.run(300)
    bench.readings[0] = DetectorReading(healthy=False)
    bench.cabinet.set_readings(bench.readings)
    bench.run(20)
    bench.vehicle()
    bench.cabinet.set_flash(True)
    bench.until(lambda: bench.number_at(FLASH_STATUS) != 2)
    bench.run(20)
    bench.cabinet.set_flash(False)
    bench.run(300)
    logged = {int(record.code) for record in bench.cabinet.unit.log.records}
    assert (PHASES | REST) - logged == set()
    bench.assert_safe()


async def test_the_push_says_what_the_masks_say(bench: Virtual) -> None:
    """Read by the driver's own decoder, on the wire that vendors' controllers use."""
    received: asyncio.Queue[bytes] = asyncio.Queue()

    class Ear(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            received.put_nowait(data)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Ear, local_addr=("127.0.0.1", 0))
    pusher = bench.cabinet.pusher
    pusher.target = ("127.0.0.1", transport.get_extra_info("sockname")[1])
    pusher.mode = Push(6)
    await pusher.start()
    try:
        for phases in ((2, 6), (4, 8)):
            bench.vehicle(*phases)
            reach(bench, bits(*phases))
            while not received.empty():
                received.get_nowait()
            seen = spat.decode(await asyncio.wait_for(received.get(), 5))
            assert (seen.lamps.greens, seen.lamps.reds) == (bits(*phases), 0xFF & ~bits(*phases))
            assert seen.status == 0
        first = spat.decode(await asyncio.wait_for(received.get(), 5))
        second = spat.decode(await asyncio.wait_for(received.get(), 5))
        assert (second.sequence - first.sequence) % 256 == 1
    finally:
        await pusher.stop()
        transport.close()
