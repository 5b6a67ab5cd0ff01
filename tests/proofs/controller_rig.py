"""A real controller process beside virtual Modbus cabinets, and what a judge wants to know of both.

Every cabinet has its conflict monitor, and notes each plan it accepts; after the fault the audit chain of the
controller is compared with those notes.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from stopline.v1 import junction_pb2, junction_pb2_grpc, state_pb2
from stopline_cabinets.words import Mode, PlanCommand, Result
from stopline_controller.audit_chain import Filter, Record, read_records, verify_file
from stopline_hil.faults.effects import Lose
from stopline_hil.faults.tcp import TcpWire
from stopline_hil.faults.wire import Clean
from stopline_hil.modbus_plc import PlcCabinet
from tests.controller.bench import PlcBench, ServeProcess, until
from tests.controller.sites import write_site
from tests.controller.versions import Versions, policy_table

JUNCTIONS = ("A", "B")
LIMIT_S = 3.0
"""Silence after which a cabinet runs its local plan: the default of a site."""
INTERVAL_S = 1.0
LOADED_S = 40.0
"""How long something may take on a busy machine before it counts as not happening."""
READ_BEFORE_S = 2.5
"""A plan is asked for from a read-back of the same tick; seconds allowed for a machine that is busy."""


@dataclass
class Outcome:
    """What a fault did; times in seconds of the cabinets' clock."""

    state: str = ""
    """Reached under the fault, and safe."""
    to_safe_s: float = 0.0
    """From the fault until that state; 0: it was never left."""
    recovery_s: float = 0.0
    """From the end of the fault until everything is as before."""
    notes: dict[str, Any] = field(default_factory=dict[str, Any])


class Rig:
    """Cabinets, their wires, and controller processes on them."""

    def __init__(self, folder: Path, limit_s: float = LIMIT_S, rate: float = 1.0) -> None:
        """`limit_s`: silence after which a cabinet runs its local plan; `rate`: of the cabinets' clock."""
        self.folder = folder
        self.limit_s = limit_s
        self.versions = Versions(folder)
        self.versions.greedy("first", INTERVAL_S)
        self.rate = rate
        self.bench = PlcBench(*JUNCTIONS, rate=rate)
        self.wires: dict[str, TcpWire] = {}
        self.states: list[Path] = []
        """State directories of the controllers, to be judged at the end."""
        self.stood_still_s = 0.0
        """Longest time the cabinets themselves got no processor; over half a second they miss heartbeats."""
        self.accepted: dict[str, list[tuple[int, int]]] = {name: [] for name in JUNCTIONS}
        """By junction: moment (tenths) and first stage asked for of each plan a cabinet took."""

    def __enter__(self) -> Rig:
        self.bench.__enter__()
        self._watching = asyncio.run_coroutine_threadsafe(self._watch_itself(), self.bench._loop)
        for name, cabinet in self.bench.cabinets.items():
            self._note_plans(name, cabinet)
            self.wires[name] = self.wire(cabinet.port)
        return self

    def __exit__(self, *_: object) -> None:
        self._watching.cancel()
        for wire in self.wires.values():
            self.run(wire.close())
        self.bench.__exit__()

    def run(self, job: Any) -> Any:
        """Run a coroutine where the cabinets live."""
        return asyncio.run_coroutine_threadsafe(job, self.bench._loop).result(5)

    def wire(self, target: int) -> TcpWire:
        """A proxy in front of a port of this machine."""
        wire = TcpWire("127.0.0.1", target)
        self.run(wire.open())
        return wire

    def site(
        self,
        *,
        name: str = "site",
        controller: str = "",
        policy: str = "",
        extra: str = "",
        direct: bool = False,
    ) -> Path:
        """A site file of its own folder, judged at the end; `direct`: not over the wires."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        for path in self.folder.glob("*.bundle"):
            if not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)
        (folder / "key.pub.pem").write_bytes((self.folder / "key.pub.pem").read_bytes())
        limit = f"heartbeat_limit_s = {self.limit_s}"
        ends = self.bench.cabinets if direct else self.wires
        tables = {
            junction: f'driver = "modbus"\naddress = "127.0.0.1:{end.port}"\n{limit}'
            for junction, end in ends.items()
        }
        table = policy_table("first.bundle", policy)
        self.states.append(folder / "state")
        return write_site(folder, tables, controller=controller, policy=table, extra=extra)

    # What the street sees.

    def now(self) -> float:
        """Seconds of the cabinets' clock."""
        return self.bench.clock.tenths() / 10

    def all_in(self, mode: Mode) -> bool:
        """Whether every cabinet is in this mode."""
        return all(cabinet.core.mode is mode for cabinet in self.bench.cabinets.values())

    def plans(self) -> int:
        """Plans accepted so far."""
        return sum(len(rows) for rows in self.accepted.values())

    def until_remote(self, what: str) -> float:
        """Wait until the controller holds every cabinet; returns how long it took."""
        began = self.now()
        until(lambda: self.all_in(Mode.REMOTE), LOADED_S, what)
        return self.now() - began

    def until_local(self) -> float:
        """Wait until every cabinet runs its local plan; returns how long it took."""
        began = self.now()
        until(lambda: self.all_in(Mode.LOCAL), LOADED_S, "the local plans")
        return self.now() - began

    def keeps_control(self, seconds: float, plans: int = 1) -> int:
        """Watch that no cabinet falls back for some seconds; returns the plans accepted meanwhile."""
        before, ends = self.plans(), time.monotonic() + seconds
        while time.monotonic() < ends:
            assert self.all_in(Mode.REMOTE), f"a cabinet fell back: {self._why_not()}"
            time.sleep(0.01)
        made = self.plans() - before
        assert made >= plans, f"only {made} plans in {seconds} s"
        return made

    def half_open(self, wires: Mapping[str, TcpWire], on: bool) -> None:
        """Let connections stand and carry nothing, or carry again."""
        for wire in wires.values():
            effect = Lose(1.0, random.Random(0)) if on else Clean()
            self.bench.do(partial(setattr, wire, "effect", effect))

    # What the judge wants to know.

    def judged(self, outcome: Outcome) -> dict[str, Any]:
        """The outcome with violations and the comparison of audit chains and accepted plans."""
        decisions: list[Record] = []
        intact, records = True, 0
        for state in self.states:
            path = state / "audit.sqlite"
            found = verify_file(path)
            intact, records = intact and found.intact, records + found.records
            decisions += read_records(path, Filter(kind="decision"))
        return {
            "state": outcome.state,
            "to_safe_s": round(outcome.to_safe_s, 1),
            "recovery_s": round(outcome.recovery_s, 1),
            "violations": len(self.bench.violations()),
            "plans_accepted": self.plans(),
            "audit_records": records,
            "chain_intact": intact,
            "records_lost": sum(
                unrecorded(self.accepted[name], decisions, name, READ_BEFORE_S * self.rate)
                for name in JUNCTIONS
            ),
            "notes": outcome.notes,
        }

    async def _watch_itself(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.02)
            self.stood_still_s = max(self.stood_still_s, time.monotonic() - before)

    def _why_not(self) -> str:
        modes = {name: cabinet.core.mode.name for name, cabinet in self.bench.cabinets.items()}
        logs = [state.parent / "serve.log" for state in self.states]
        return f"{modes}; " + " | ".join(log.read_text()[-1500:] for log in logs if log.exists())

    def _note_plans(self, name: str, cabinet: PlcCabinet) -> None:
        submit, rows = cabinet.core.submit, self.accepted[name]

        def noted(command: PlanCommand, owner: int, crc: int, now: int) -> Result:
            before = cabinet.core.accepted_seq
            result = submit(command, owner, crc, now)
            if cabinet.core.accepted_seq != before:
                rows.append((now, command.rows[0].stage if command.rows else -1))
            return result

        cabinet.core.submit = noted  # type: ignore[method-assign]  # the notes of a witness


def unrecorded(
    accepted: list[tuple[int, int]], decisions: list[Record], junction: str, within_s: float
) -> int:
    """Plans a cabinet took for which no decision was recorded before, each decision counted once.

    A record fits when it names the stage and was made from a read-back of at most `within_s` before.
    """
    details = (json.loads(record.detail) for record in decisions if record.junction == junction)
    left = deque(sorted((int(detail["cabinet_time"]), int(detail["stage"])) for detail in details))
    waiting: list[tuple[int, int]] = []
    missing = 0
    for moment, stage in accepted:
        while left and left[0][0] <= moment:
            waiting.append(left.popleft())
        waiting = [row for row in waiting if moment - row[0] <= within_s * 10]
        fits = [row for row in waiting if row[1] == stage]
        if fits:
            waiting.remove(fits[0])
        else:
            missing += 1
    return missing


def rss_mib(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@contextmanager
def watching(server: ServeProcess) -> Iterator[Callable[[], state_pb2.JunctionState]]:
    """A stream of junction A's states; each call returns the next one."""
    with server.channel() as channel:
        yield from _states(channel)


def _states(channel: grpc.Channel) -> Iterator[Callable[[], state_pb2.JunctionState]]:
    stub = junction_pb2_grpc.JunctionServiceStub(channel)
    stream = stub.WatchState(junction_pb2.WatchStateRequest(junction_ids=["A"]))
    yield lambda: next(stream).state
    stream.cancel()


def until_alarm(following: Callable[[], state_pb2.JunctionState], words: str, *, stands: bool = True) -> None:
    """Read states until an alarm with these words stands, or does not any more."""
    deadline = time.monotonic() + LOADED_S
    while any(words in alarm for alarm in following().alarms) is not stands:
        assert time.monotonic() < deadline, f"alarm {words!r}: never {'raised' if stands else 'cleared'}"


def stop(server: ServeProcess) -> None:
    """SIGSTOP."""
    server.process.send_signal(signal.SIGSTOP)


def go_on(server: ServeProcess) -> None:
    """SIGCONT."""
    server.process.send_signal(signal.SIGCONT)
