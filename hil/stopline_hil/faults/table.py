"""The faults, one row each: what fails, how, for how long, and in what state that must leave the cabinet.

    async with FAULTS["half open"].apply(target, {}):
        await target.pause(20)

Times and delays are seconds of the cabinet's clock. A new fault is a new row.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from stopline_hil.faults import acts
from stopline_hil.faults.acts import Options
from stopline_hil.faults.effects import (
    Delay,
    Drip,
    Duplicate,
    Lose,
    Noise,
    Refuse,
    Reorder,
    Replay,
    Rewrite,
)
from stopline_hil.faults.target import Target
from stopline_hil.faults.wire import Clean, Effect

Apply = Callable[[Target, Options], AbstractAsyncContextManager[None]]
Make = Callable[[Target, Options], Effect]

KEPT, LOST = frozenset({"remote"}), frozenset({"local"})
EITHER = KEPT | LOST
PROTOCOLS = ("modbus", "ntcip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row.

    Attributes:
        name: what campaigns call it.
        what: what happens, in words.
        apply: lets it loose on a target; it ends with the context.
        expect: states of the cabinet that are right when it has lasted its time.
        options: what can be set, with its default.
        scope: `junction`, or `controller` when it hits every junction of a controller at once.
        protocols: where it can happen.
        lasts_s: how long, unless a campaign says otherwise.
        recovers_s: longest time from its end until plans are in force again.
    """

    name: str
    what: str
    apply: Apply
    expect: frozenset[str] = KEPT
    options: Options = field(default_factory=dict[str, float])
    scope: Literal["junction", "controller"] = "junction"
    protocols: tuple[str, ...] = PROTOCOLS
    lasts_s: float = 20.0
    recovers_s: float = 30.0


def _on_the_wire(make: Make) -> Apply:
    """A fault that is an effect of the wire."""

    @asynccontextmanager
    async def apply(target: Target, options: Options) -> AsyncGenerator[None]:
        target.wire.effect = make(target, options)
        try:
            yield
        finally:
            target.wire.effect = Clean()

    return apply


def _refused(kind: str) -> Apply:
    def make(target: Target, options: Options) -> Effect:
        writes, refusal = target.dialect.is_write, target.dialect.refusal
        only_writes = options["reads"] == 0
        return Refuse(
            lambda frame: refusal(frame, kind) if writes(frame) or not only_writes else None,
            options["share"],
            target.dice,
        )

    return _on_the_wire(make)


def _rewritten(kind: Literal["misnumbered", "misaddressed", "torn"]) -> Apply:
    def make(target: Target, options: Options) -> Effect:
        return Rewrite(options["share"], target.dice, reply=getattr(target.dialect, kind))

    return _on_the_wire(make)


def _damaged(target: Target, options: Options) -> Effect:
    def change(frame: bytes) -> bytes:
        return target.dialect.damaged(frame, target.dice)

    return Rewrite(options["share"], target.dice, request=change, reply=change)


def _truncated(target: Target, options: Options) -> Effect:
    return Rewrite(options["share"], target.dice, reply=lambda frame: frame[: len(frame) // 2])


_REFUSED: Options = {"share": 1.0, "reads": 1.0}

_ROWS = (
    Fault(name="none", what="nothing fails", apply=acts.nothing),
    Fault(
        name="loss",
        what="a share of frames is lost, each way",
        apply=_on_the_wire(lambda t, o: Lose(o["share"], t.dice)),
        options={"share": 0.05},
        expect=EITHER,
    ),
    Fault(
        name="heavy loss",
        what="half of all frames are lost, each way",
        apply=_on_the_wire(lambda t, o: Lose(o["share"], t.dice)),
        options={"share": 0.5},
        expect=EITHER,
    ),
    Fault(
        name="replies lost",
        what="every request arrives, no answer comes back",
        apply=_on_the_wire(lambda t, o: Lose(1.0, t.dice, requests=False)),
        expect=EITHER,
    ),
    Fault(
        name="duplication",
        what="a third of frames arrives twice, the second time late",
        apply=_on_the_wire(lambda t, o: Duplicate(o["share"], t.real(o["after_s"]), t.dice)),
        options={"share": 0.33, "after_s": 0.2},
        expect=EITHER,
    ),
    Fault(
        name="reorder",
        what="a share of frames arrives after the one sent later",
        apply=_on_the_wire(lambda t, o: Reorder(o["share"], t.dice)),
        options={"share": 0.2},
        expect=EITHER,
    ),
    Fault(
        name="delay",
        what="15 to 70 ms each way, as a slow cabinet or a radio",
        apply=_on_the_wire(lambda t, o: Delay(t.real(o["low_s"]), t.real(o["high_s"]), t.dice)),
        options={"low_s": 0.015, "high_s": 0.07},
    ),
    Fault(
        name="long delay",
        what="15 to 700 ms each way",
        apply=_on_the_wire(lambda t, o: Delay(t.real(o["low_s"]), t.real(o["high_s"]), t.dice)),
        options={"low_s": 0.015, "high_s": 0.7},
        expect=EITHER,
    ),
    Fault(
        name="half open",
        what="the connection stands and carries nothing",
        apply=_on_the_wire(lambda t, o: Lose(1.0, t.dice)),
        expect=LOST,
    ),
    Fault(
        name="connection refused",
        what="nobody listens at the cabinet's port",
        apply=acts.refuses_connections,
        expect=LOST,
    ),
    Fault(name="connection cut", what="the connection breaks once", apply=acts.connection_cut, expect=EITHER),
    Fault(
        name="busy",
        what="every request is answered `busy` (exception 06, genErr)",
        apply=_refused("busy"),
        options=_REFUSED,
        expect=LOST,
    ),
    Fault(
        name="acknowledge",
        what="every write is answered `acknowledged, later` (exception 05, resourceUnavailable) and not done",
        apply=_refused("acknowledge"),
        options={"share": 1.0, "reads": 0.0},
        expect=LOST,
    ),
    Fault(
        name="no such object",
        what="every request is answered `no such address` (exception 02, noSuchName)",
        apply=_refused("no such object"),
        options=_REFUSED,
        expect=LOST,
    ),
    Fault(
        name="bad value",
        what="every write is answered `bad value` (exception 03, badValue)",
        apply=_refused("bad value"),
        options={"share": 1.0, "reads": 0.0},
        expect=LOST,
    ),
    Fault(
        name="too big",
        what="every request is answered `too big` (exception 03, tooBig)",
        apply=_refused("too big"),
        options=_REFUSED,
        expect=LOST,
    ),
    Fault(
        name="device failure",
        what="a third of requests is answered `device failure` (exception 04, commitFailed)",
        apply=_refused("device failure"),
        options={"share": 0.33, "reads": 1.0},
        expect=EITHER,
    ),
    Fault(
        name="wrong transaction",
        what="every answer carries the number of another request",
        apply=_rewritten("misnumbered"),
        options={"share": 1.0},
        expect=EITHER,
    ),
    Fault(
        name="wrong unit",
        what="every answer comes from another unit (unit id, community)",
        apply=_rewritten("misaddressed"),
        options={"share": 1.0},
        expect=EITHER,
    ),
    Fault(
        name="torn reads",
        what="every answer mixes two moments",
        apply=_rewritten("torn"),
        options={"share": 1.0},
        expect=EITHER,
    ),
    Fault(
        name="damaged frames",
        what="a tenth of frames has a bit changed",
        apply=_on_the_wire(_damaged),
        options={"share": 0.1},
        expect=EITHER,
    ),
    Fault(
        name="truncated frames",
        what="a fifth of answers ends in the middle",
        apply=_on_the_wire(_truncated),
        options={"share": 0.2},
        expect=EITHER,
    ),
    Fault(
        name="garbage",
        what="random bytes between the frames",
        apply=_on_the_wire(lambda t, o: Noise(o["share"], t.dice)),
        options={"share": 0.2},
        expect=EITHER,
    ),
    Fault(
        name="slow loris",
        what="answers come byte by byte, for ever",
        apply=_on_the_wire(lambda t, o: Drip(t.real(o["each_s"]))),
        options={"each_s": 0.1},
        expect=EITHER,
    ),
    Fault(
        name="replay",
        what="every new command is replaced by an old one",
        apply=_on_the_wire(lambda t, o: Replay(t.dialect.is_write, t.last_write)),
        expect=LOST,
        protocols=("modbus",),
    ),
    Fault(
        name="second writer",
        what="another system writes to the same cabinet",
        apply=acts.second_writer,
        expect=frozenset({"remote", "foreign", "local"}),
    ),
    Fault(name="detectors stuck", what="every detector is occupied for ever", apply=acts.detectors_stuck),
    Fault(name="detectors flooding", what="every detector flickers at 1 Hz", apply=acts.detectors_flood),
    Fault(
        name="detectors failed",
        what="half of the detectors say that they are broken",
        apply=acts.detectors_fail,
        options={"share": 0.5},
        expect=LOST,
    ),
    Fault(
        name="clock forward",
        what="somebody sets the cabinet's clock an hour ahead",
        apply=acts.clock_jumps,
        options={"ahead_s": 3600.0},
    ),
    Fault(
        name="clock back",
        what="somebody sets the cabinet's clock an hour back",
        apply=acts.clock_jumps,
        options={"ahead_s": -3600.0},
    ),
    Fault(
        name="power loss",
        what="the cabinet loses its mains",
        apply=acts.power_loss,
        expect=frozenset({"off"}),
        recovers_s=60.0,
    ),
    Fault(
        name="reboot",
        what="the cabinet restarts",
        apply=acts.reboot,
        options={"off_s": 2.0},
        expect=frozenset({"startup", "local", "remote"}),
        recovers_s=60.0,
    ),
    Fault(
        name="database edited",
        what="somebody changes the cabinet's database by hand",
        apply=acts.database_edited,
        expect=frozenset({"remote", "local", "startup"}),
        recovers_s=90.0,
    ),
    Fault(
        name="manual panel",
        what="somebody works the cabinet's panel",
        apply=acts.manual_panel,
        options={"stage": 1.0},
        expect=frozenset({"manual"}),
    ),
    Fault(
        name="flash switch",
        what="somebody switches the cabinet to flash",
        apply=acts.flash_switch,
        expect=frozenset({"flash"}),
        recovers_s=60.0,
    ),
    Fault(
        name="monitor trips",
        what="the conflict monitor trips and is reset",
        apply=acts.monitor_trips,
        expect=frozenset({"flash"}),
        recovers_s=60.0,
    ),
    Fault(
        name="wired preempt",
        what="a preempt input of the cabinet comes on",
        apply=acts.wired_preempt,
        options={"number": 2.0},
        expect=frozenset({"preempt"}),
        recovers_s=60.0,
    ),
    Fault(
        name="controller killed",
        what="kill -9 of the controller, started again later",
        apply=acts.controller_killed,
        scope="controller",
        expect=LOST,
        recovers_s=60.0,
    ),
    Fault(
        name="controller hangs",
        what="SIGSTOP of the controller, SIGCONT later",
        apply=acts.controller_hangs,
        scope="controller",
        expect=LOST,
    ),
    Fault(
        name="controller stutters",
        what="SIGSTOP of the controller for a second",
        apply=acts.controller_stutters,
        options={"hangs_s": 1.0},
        scope="controller",
        expect=EITHER,
        lasts_s=10.0,
    ),
    Fault(
        name="controller restarted",
        what="the controller is told to stop, and started again later",
        apply=acts.controller_restarted,
        scope="controller",
        expect=LOST,
        recovers_s=60.0,
    ),
)

FAULTS: Mapping[str, Fault] = {row.name: row for row in _ROWS}
