"""The NTCIP 1202 driver: a `Cabinet` that is asked for phases by hold, force-off, omit and call masks.

What the seam promises and NTCIP has no object for is kept here: plans with their rows and deadlines
(ledger.py) and the lease (lease.py). What keeps a dead controller from mattering is the cabinet's own backup
timer, which only `write` and `heartbeat` feed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from stopline_cabinets.errors import CabinetRefused, LeaseRefused, PlanRefused
from stopline_cabinets.ntcip import pattern
from stopline_cabinets.ntcip.checks import Asked, backup_objection, objection
from stopline_cabinets.ntcip.configuration import preempt_objection
from stopline_cabinets.ntcip.desired import (
    FLASH,
    FREE,
    NOTHING_DESIRED,
    STANDBY,
    Desired,
    Masks,
    own_masks,
    stage_masks,
)
from stopline_cabinets.ntcip.dialing import Device
from stopline_cabinets.ntcip.feeds import Feed, Feeds
from stopline_cabinets.ntcip.groups import GroupMap, Sight, StageWatch
from stopline_cabinets.ntcip.keeper import Keeper
from stopline_cabinets.ntcip.lease import Holder, HostLease
from stopline_cabinets.ntcip.ledger import Ledger
from stopline_cabinets.ntcip.preempting import OwnPreempts
from stopline_cabinets.ntcip.report import Reporter
from stopline_cabinets.ntcip.session import Push, Session
from stopline_cabinets.ntcip.status import ControlStatus, Unit
from stopline_cabinets.ntcip.watcher import DeviceClock
from stopline_cabinets.words import NO_STAGE, CabinetState, Kind, PlanCommand, Receipt, Result, following
from stopline_signals.errors import CabinetError
from stopline_signals.plan import SignalPlan

LEASE_MARGIN_S = 0.5
"""Cabinet seconds by which a lease ends before the backup time: who was silent must not find it alive."""
HOLDER_S = 0.5
"""Real seconds for which the lease file is not looked at again."""


class NtcipCabinet:
    """One NTCIP cabinet; `dial` reaches it, `address` is how people call it.

    `rate` is the speed of the cabinet's clock (over 1: a virtual one). `phases`, `overlaps` and `feeds` say
    what the plan does not (see `GroupMap`, `Feeds`).

    Raises:
        PlanError: the plan cannot be run by phases.
    """

    def __init__(
        self,
        dial: Callable[[], Awaitable[Device]],
        plan: SignalPlan,
        *,
        address: str,
        owner: int,
        label: str = "",
        phases: Mapping[str, int] | None = None,
        overlaps: Mapping[str, int] | None = None,
        feeds: Mapping[str, Feed] | None = None,
        push: Push | None = None,
        rate: float = 1.0,
        poll: float | None = None,
        lease_dir: Path | None = None,
    ) -> None:
        self._name = f"cabinet {plan.junction} at {address}"
        self._groups = GroupMap(plan, phases=phases, overlaps=overlaps)
        inputs = Feeds(self._groups, feeds)
        self._rate = rate
        self._owner = owner
        self._clock = DeviceClock(rate)
        self.session = Session(self._name, dial, self._groups, inputs, self._clock, push=push, poll=poll)
        """The device behind it."""
        self._lease = HostLease(address, owner, label, lease_dir)
        self._ledger = Ledger(plan)
        self._keeper = Keeper(self.session, rate=rate)
        self._stages = StageWatch(self._groups)
        self._reporter = Reporter(plan, self._groups, inputs)
        self._preempts = OwnPreempts()
        self._lost = ""
        self._holder: tuple[Holder | None, float] = (None, float("-inf"))

    # --- the seam ---

    @property
    def name(self) -> str:
        """How messages name this cabinet."""
        return self._name

    @property
    def next_seq(self) -> int:
        """The sequence number the next plan must carry."""
        return following(self._ledger.accepted_seq)

    async def connect(self, *, lease: bool = True) -> CabinetState:
        """Find out what the device is, check the plan against its database, and take the lease if wanted."""
        if not lease or not self.session.reached:
            await self.session.reach()
        await self._see(everything=True)
        if lease:
            self._take_lease()
            await self.session.enable_push()
        return self._state()

    async def read(self) -> CabinetState:
        """The state: polled or pushed, as fresh as the device's profile allows; nothing is written."""
        await self._see()
        return self._state()

    async def write(self, command: PlanCommand) -> Receipt:
        """Take a plan, set its masks, and read them back."""
        # What is sent hides what another system wrote since: in step with us it would never be seen.
        await self._see(unit=True)
        holder = self._beat()
        if self._lost:
            raise await self._loss(holder)
        leased = self._is_ours(holder)
        objection = self._objection
        found = self.session.configuration
        self._ledger.patterns = found.max_patterns
        if command.kind is Kind.PREEMPT and (
            wrong := preempt_objection(self._groups, found, command.pattern)
        ):
            raise PlanRefused(f"{self._name}: plan {command.seq} refused: {wrong}", Result.UNABLE)
        result = self._ledger.submit(command, self._clock.now(), leased=leased, in_service=not objection)
        if result is not Result.ACCEPTED:
            why = objection if result is Result.NOT_REMOTE else _WHY[result]
            raise PlanRefused(f"{self._name}: plan {command.seq} refused: {why}", result)
        try:
            sends = await self._keeper.prove(self._desired, self._name)
        except CabinetError:
            self._ledger.drop()  # it is not kept alive; what of it got through ends with the backup time
            raise
        return Receipt(command.seq, self._ledger.judged[1], self._clock.now(), sends)

    async def heartbeat(self) -> None:
        """Keep the lease, and what is desired, alive; end what has run out."""
        holder = self._beat()
        if self._lost or not self._is_ours(holder):
            raise await self._loss(holder)
        if self.session.mismatch is not None:
            self._forget_wishes()
            await self._keeper.keep(self._desired, alive=False)
            raise self.session.mismatch
        now, sight = self._clock.now(), self._sight()
        self._ledger.watch(now, NO_STAGE if sight.in_transition else sight.stage)
        if self._objection:
            self._ledger.drop()
        await self._keeper.keep(self._desired, alive=self._ledger.active is not None)

    async def release(self) -> None:
        """Set everything to zero and give the lease up."""
        self._forget_wishes()
        try:
            ours = self.session.reached and self._is_ours(self._lease.holder())
            if ours and self._keeper.sent != NOTHING_DESIRED:
                await self._keeper.send(self._desired)
        finally:
            self._lease.give_back()
            self._holder = (None, float("-inf"))

    async def close(self) -> None:
        """Forget the device; what it was told ends with its backup time."""
        self.session.leave()

    # --- what only NTCIP cabinets have ---

    async def load_pattern(self, timing: pattern.Timing) -> None:
        """Level A: put splits into a spare pattern; a plan of Kind.PATTERN then selects it. Needs the lease.

        Raises:
            CabinetRefused: the pattern would not, or did not, pass the cabinet's own checks.
        """
        self._need_lease()
        found = self.session.configuration
        walking = self._groups.phases_of((1 << len(self._groups.plan.groups)) - 1).peds
        if wrong := pattern.problems(timing, found.times, found.rings, walking):
            raise CabinetRefused(f"{self._name}: pattern {timing.pattern} refused: {'; '.join(wrong)}")
        await pattern.load(self.session.peer, timing)
        await self.session.adopt()

    # --- looking ---

    async def _see(self, *, everything: bool = False, unit: bool = False) -> None:
        news = await self.session.see(everything=everything, unit=unit)
        if news.restarted:
            self._lost = "it restarted"
        elif news.unit and not self._lost:
            self._lost = self._keeper.loss(self.session.watcher.unit)
        if self._lost:
            self._forget_wishes()
        self._note_preempts(self.session.watcher.unit if news.unit else None)

    def _note_preempts(self, unit: Unit | None) -> None:
        asked = self._ledger.preempt | self._keeper.sent.preempts
        self._preempts.see(self._clock.now(), asked, unit)

    def _sight(self) -> Sight:
        return self._stages.see(self._clock.now(), self.session.watcher.lamps, self._ledger.wanted)

    def _state(self) -> CabinetState:
        return self._reporter.state(
            self._clock.now(),
            self.session,
            self._ledger,
            self._sight(),
            self._known_holder(),
            Asked(preempts=self._preempts.running),
        )

    def _known_holder(self) -> Holder | None:
        holder, at = self._holder
        now = asyncio.get_running_loop().time()
        if now - at < HOLDER_S:
            return holder
        holder = self._lease.holder()
        self._holder = (holder, now)
        return holder

    # --- asking ---

    def _desired(self) -> Desired:
        """Everything wanted at this moment."""
        active = self._ledger.active
        if active is None or self._objection:
            return NOTHING_DESIRED
        command = active.command
        if command.kind is Kind.FLASH:
            return Desired(Masks(), FLASH)
        called = self._groups.phases_of(command.calls)
        omitted = self._groups.phases_of(command.omits)
        if command.kind is Kind.PATTERN:
            return Desired(own_masks(called, omitted), command.pattern)
        if command.kind is Kind.PREEMPT:
            return Desired(own_masks(called, omitted), FREE, self._ledger.preempt)
        wanted = self._groups.stage_phases[self._ledger.wanted]
        enabled, greens = self.session.configuration.enabled, self.session.watcher.lamps.greens
        return Desired(stage_masks(wanted, enabled, greens, called, omitted), FREE)

    @property
    def _objection(self) -> str:
        """Why the cabinet must not be controlled now; empty when it may."""
        session = self.session
        asked = Asked(self._ledger.asks_flash or self._keeper.sent.pattern == FLASH, self._preempts.running)
        return objection(session.watcher.unit, session.pushed_status, asked)

    def _forget_wishes(self) -> None:
        self._ledger.drop()

    # --- the lease ---

    def _take_lease(self) -> None:
        unit = self.session.watcher.unit
        if wrong := backup_objection(unit):
            raise CabinetRefused(f"{self._name}: {wrong}")
        foreign = unit.masks != Masks() or (unit.pattern != STANDBY and unit.control == ControlStatus.SYSTEM)
        holder = self._lease.holder()
        if not self._is_ours(holder) and holder is not None:
            raise self._taken(holder)
        if foreign and not self._lease.was_ours_lately():
            raise LeaseRefused(
                f"{self._name}: another system controls it (pattern {unit.pattern}, masks {unit.masks}); "
                "release it there first",
                0,
                "another system",
            )
        holder = self._lease.claim((unit.backup_time - LEASE_MARGIN_S) / self._rate)
        if not self._is_ours(holder):
            raise self._taken(holder)
        self._holder = (holder, asyncio.get_running_loop().time())
        if self._lost or foreign != (self._keeper.sent != NOTHING_DESIRED):
            self._keeper.forget()
        self._lost = ""

    def _beat(self) -> Holder | None:
        holder = self._lease.beat()
        self._holder = (holder, asyncio.get_running_loop().time())
        return holder

    def _is_ours(self, holder: Holder | None) -> bool:
        return holder is not None and holder.owner == self._owner

    def _need_lease(self) -> None:
        holder = self._beat()
        if self._lost or not self._is_ours(holder):
            raise LeaseRefused(f"{self._name}: this controller does not hold the lease", 0)

    async def _loss(self, holder: Holder | None) -> LeaseRefused:
        """Give up; what is ours in the cabinet and still kept there, by whomever, is set to zero.

        Another system feeds the timer that all share: what is ours would stay for ever.
        """
        self._forget_wishes()
        if holder is not None and not self._is_ours(holder):
            self._keeper.forget()
            return self._taken(holder)
        why = self._lost or "the lease ran out"
        await self._keeper.take_back()
        self._lease.give_back()
        return LeaseRefused(f"{self._name}: {why}; connect again to take the lease", 0)

    def _taken(self, holder: Holder) -> LeaseRefused:
        text = f"{self._name}: leased by {holder.label or 'unnamed'} (id {holder.owner})"
        return LeaseRefused(text, holder.owner, holder.label)


_WHY = {
    Result.STALE_SEQUENCE: "stale sequence; connect again to learn the next",
    Result.UNSAFE_TIMING: "a row's times are outside what the plan allows",
    Result.UNKNOWN_STAGE: "a row names a stage the plan does not have",
    Result.NOT_OWNER: "this controller does not hold the lease",
    Result.BAD_FIELD: "a field is outside its range",
    Result.UNABLE: "an NTCIP cabinet has no object for it",
}
