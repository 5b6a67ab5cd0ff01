"""A cabinet in memory: the core of the virtual ones without a wire, for tests of what is above the seam."""

from __future__ import annotations

import json
import zlib
from dataclasses import astuple

from stopline_cabinets.errors import CabinetOffline, LeaseRefused, PlanRefused, WrongCabinet
from stopline_cabinets.reference import ReferenceCabinet
from stopline_cabinets.words import CabinetState, PlanCommand, Receipt, Result, digest32, following
from stopline_signals.errors import CabinetError
from stopline_signals.plan import SignalPlan


class FakeStreet:
    """The device side of a fake cabinet: its time (tenths), its core, and switches for faults."""

    def __init__(self, plan: SignalPlan, *, now: int = 0) -> None:
        self.now = now
        self.core = ReferenceCabinet(plan, now=now)
        self.labels: dict[int, str] = {}
        self.online = True
        self.fail_with: CabinetError | None = None

    def run(self, tenths: int) -> None:
        """Let time pass."""
        self.now += tenths
        self.core.tick(self.now)


class FakeCabinet:
    """A `Cabinet` on a `FakeStreet`; several may share one street, as several controllers a real one."""

    def __init__(
        self,
        street: FakeStreet,
        *,
        owner: int = 1,
        label: str = "fake",
        limit: int = 30,
        plan: SignalPlan | None = None,
    ) -> None:
        self.street = street
        self._owner = owner
        self._label = label
        self._limit = limit
        self._expected = digest32((plan or street.core.plan).digest())
        self._beats = 0

    @property
    def name(self) -> str:
        """How messages name this cabinet."""
        return f"fake cabinet {self.street.core.plan.junction}"

    @property
    def next_seq(self) -> int:
        """The sequence number the next plan must carry."""
        return following(self.street.core.accepted_seq)

    async def connect(self, *, lease: bool = True) -> CabinetState:
        """Check the plan and take the lease."""
        core = self._reach()
        if digest32(core.plan.digest()) != self._expected:
            raise WrongCabinet(f"{self.name}: runs another signal plan; load the same plan on both sides")
        if lease:
            self._beats += 1
            if not core.claim(self._owner, self._label, self._limit, self._beats, self.street.now):
                raise self._taken()
        return await self.read()

    async def read(self) -> CabinetState:
        """The state now."""
        return self.at_hand()

    def at_hand(self) -> CabinetState:
        """The state now, which nobody has to wait for."""
        return self._reach().state(self.street.now)

    async def write(self, command: PlanCommand) -> Receipt:
        """Hand a plan to the core."""
        core = self._reach()
        crc = zlib.crc32(json.dumps(astuple(command)).encode())
        result = core.submit(command, self._owner, crc, self.street.now)
        if result is not Result.ACCEPTED:
            raise PlanRefused(f"{self.name}: plan {command.seq} refused: {result.name}", result)
        return Receipt(command.seq, crc, self.street.now)

    async def heartbeat(self) -> None:
        """One more beat."""
        self._beats += 1
        if not self._reach().beat(self._owner, self._beats, self.street.now):
            raise self._taken()

    async def release(self) -> None:
        """Give the lease back."""
        self._reach().give_back(self._owner, self.street.now)

    async def close(self) -> None:
        """Nothing to drop."""

    def _reach(self) -> ReferenceCabinet:
        if self.street.fail_with is not None:
            raise self.street.fail_with
        if not self.street.online:
            raise CabinetOffline(f"{self.name}: not reachable")
        return self.street.core

    def _taken(self) -> LeaseRefused:
        lease = self.street.core.lease
        if lease is None:
            return LeaseRefused(f"{self.name}: the lease ran out; connect again to take it", 0)
        return LeaseRefused(
            f"{self.name}: leased by {lease.label} (id {lease.owner})", lease.owner, lease.label
        )
