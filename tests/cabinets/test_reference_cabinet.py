"""The cabinet core: deadlines on its own clock, rows in order, a watchdog nobody can talk out of it."""

from __future__ import annotations

from stopline_cabinets.reference import FAULT_EXPIRED, FAULT_HEARTBEAT, ReferenceCabinet
from stopline_cabinets.words import DARK, Mode, PlanCommand, PlanRow, Result
from stopline_hil.example import crossroads
from stopline_signals.detectors import DetectorReading
from stopline_signals.plan import Aspect, FixedProgram, ProgramStep, SignalPlan

PLAN = crossroads()
MAIN, LEFT, SIDE = range(3)


def settled(plan: SignalPlan = PLAN, at: int = 0) -> ReferenceCabinet:
    cabinet = ReferenceCabinet(plan, now=at)
    cabinet.tick(at + 200)
    assert cabinet.mode is Mode.LOCAL
    return cabinet


def plan_for(seq: int, *rows: PlanRow, ttl: int = 600, valid_from: int = 0) -> PlanCommand:
    return PlanCommand(seq, rows or (PlanRow(SIDE, 70, 600),), ttl, valid_from)


def test_starts_up_all_red_and_takes_no_plan_until_it_is_done() -> None:
    cabinet = ReferenceCabinet(PLAN, now=0)
    cabinet.claim(1, "a", 30, 1, 0)
    cabinet.tick(10)
    assert set(cabinet.aspects) == {Aspect.RED}
    assert cabinet.mode is Mode.STARTUP
    assert cabinet.submit(plan_for(1), 1, 11, 10) is Result.NOT_REMOTE


def test_silence_drops_the_plan_just_after_the_limit() -> None:
    cabinet = settled()
    cabinet.claim(1, "a", 30, 1, 200)
    assert cabinet.submit(plan_for(1), 1, 11, 200) is Result.ACCEPTED
    cabinet.tick(230)
    assert cabinet.mode is Mode.REMOTE
    cabinet.tick(231)
    assert cabinet.state(231).mode is Mode.LOCAL
    assert cabinet.state(231).faults & FAULT_HEARTBEAT
    assert cabinet.submit(plan_for(2), 1, 12, 232) is Result.NOT_OWNER


def test_a_counter_that_does_not_move_is_silence() -> None:
    cabinet = settled()
    cabinet.claim(1, "a", 30, 1, 200)
    cabinet.submit(plan_for(1), 1, 11, 200)
    for now in range(205, 240, 5):
        cabinet.beat(1, 1, now)
        cabinet.tick(now)
    assert cabinet.mode is Mode.LOCAL


def test_a_plan_waits_for_its_valid_from_and_ends_with_its_ttl() -> None:
    cabinet = settled()
    cabinet.claim(1, "a", 100, 1, 200)
    cabinet.submit(plan_for(1, ttl=50, valid_from=20), 1, 11, 200)
    cabinet.tick(219)
    assert (cabinet.mode, cabinet.state(219).staged_seq, cabinet.state(219).active_seq) == (Mode.LOCAL, 1, 0)
    cabinet.tick(220)
    assert (cabinet.mode, cabinet.state(220).staged_seq, cabinet.state(220).active_seq) == (Mode.REMOTE, 0, 1)
    cabinet.tick(270)
    assert cabinet.mode is Mode.LOCAL
    assert cabinet.state(270).faults & FAULT_EXPIRED
    assert cabinet.state(270).owner == 1


def test_the_same_plan_again_does_not_prolong_its_life() -> None:
    cabinet = settled()
    cabinet.claim(1, "a", 100, 1, 200)
    cabinet.submit(plan_for(1, ttl=50), 1, 11, 200)
    cabinet.tick(240)
    assert cabinet.submit(plan_for(1, ttl=50), 1, 11, 240) is Result.ACCEPTED
    cabinet.tick(250)
    assert cabinet.mode is Mode.LOCAL
    assert cabinet.submit(plan_for(1, ttl=50), 1, 11, 260) is Result.STALE_SEQUENCE


def test_the_same_number_with_other_content_is_stale() -> None:
    cabinet = settled()
    cabinet.claim(1, "a", 100, 1, 200)
    cabinet.submit(plan_for(1), 1, 11, 200)
    assert cabinet.submit(plan_for(1, ttl=99), 1, 12, 201) is Result.STALE_SEQUENCE
    assert cabinet.judged.result is Result.STALE_SEQUENCE
    assert cabinet.state(201).active_crc == 11


def test_rows_follow_one_another_and_the_last_one_holds() -> None:
    cabinet = settled()
    cabinet.claim(1, "a", 100, 0, 200)
    rows = (PlanRow(SIDE, 70, 100), PlanRow(LEFT, 70, 80))
    assert cabinet.submit(plan_for(1, *rows, ttl=1500), 1, 11, 200) is Result.ACCEPTED
    order: list[int] = []
    for now in range(201, 1200):
        cabinet.beat(1, now, now)
        cabinet.tick(now)
        state = cabinet.state(now)
        if not state.in_transition and (not order or order[-1] != state.stage):
            order.append(state.stage)
        if state.stage == SIDE and not state.in_transition:
            assert state.stage_elapsed <= 101
    assert order[-2:] == [SIDE, LEFT]
    assert cabinet.mode is Mode.REMOTE


def test_the_panel_and_flash_take_the_junction_out_of_remote() -> None:
    cabinet = settled()
    cabinet.claim(1, "a", 100, 1, 200)
    cabinet.submit(plan_for(1), 1, 11, 200)
    cabinet.set_manual(LEFT)
    cabinet.tick(201)
    assert cabinet.mode is Mode.MANUAL
    assert cabinet.submit(plan_for(2), 1, 12, 202) is Result.NOT_REMOTE
    cabinet.set_manual(None)
    cabinet.set_flash(True, 203)
    assert cabinet.state(203).mode is Mode.FLASH
    assert set(cabinet.aspects) == {DARK}
    assert cabinet.state(203).flash
    assert cabinet.state(203).monitor_ok
    cabinet.set_flash(False, 250)
    cabinet.tick(260)
    assert cabinet.state(260).mode is Mode.STARTUP
    assert set(cabinet.aspects) == {Aspect.RED}


def test_a_button_stays_pressed_until_walk() -> None:
    plan = PLAN
    button = next(i for i, d in enumerate(plan.detectors) if d.name == "walk across button")
    cabinet = settled()
    pressed = [DetectorReading(int(i == button)) for i in range(len(plan.detectors))]
    quiet = [DetectorReading()] * len(plan.detectors)
    cabinet.set_readings(pressed)
    cabinet.set_readings(quiet)
    assert cabinet.readings[button].vehicles == 1
    for now in range(200, 700):
        cabinet.tick(now)
        if cabinet.aspects[4] == Aspect.GREEN:
            break
    cabinet.set_readings(quiet)
    assert cabinet.readings[button].vehicles == 0


def test_the_local_plan_serves_whoever_calls() -> None:
    cabinet = settled()
    assert cabinet.state(200).stage == MAIN
    side = [DetectorReading(int(d.group == SIDE)) for d in PLAN.detectors]
    cabinet.set_readings(side)
    cabinet.tick(500)
    assert cabinet.state(500).stage == SIDE


def test_the_local_plan_is_the_fixed_program_where_there_is_one() -> None:
    from dataclasses import replace

    program = FixedProgram(600, 0, (ProgramStep(MAIN, 0), ProgramStep(SIDE, 300)))
    cabinet = settled(replace(PLAN, program=program))
    seen: list[int] = []
    for now in range(200, 2000):
        cabinet.tick(now)
        if not seen or seen[-1] != cabinet.state(now).stage:
            seen.append(cabinet.state(now).stage)
    assert seen[:4] in ([MAIN, SIDE, MAIN, SIDE], [SIDE, MAIN, SIDE, MAIN])


def test_late_ticks_are_caught_up() -> None:
    prompt, late = ReferenceCabinet(PLAN), ReferenceCabinet(PLAN)
    for now in range(1, 601):
        prompt.tick(now)
    late.tick(600)
    assert late.state(600) == prompt.state(600)
