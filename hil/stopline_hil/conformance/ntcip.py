"""NTCIP 1202 by the letter: what a controller shows, and what it must refuse."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from stopline_cabinets.ntcip import AUTO, Address, dial
from stopline_cabinets.ntcip import NtcipCabinet as Driver
from stopline_cabinets.ntcip.checks import BACKUP_TIMES
from stopline_cabinets.ntcip.desired import PATTERN_CONTROL
from stopline_cabinets.ntcip.objects import SYS_UP_TIME, cell, scalar
from stopline_cabinets.ntcip.status import ControlStatus, FlashStatus
from stopline_cabinets.seam import Cabinet
from stopline_cabinets.snmp.codec import Oid, Value, VarBind, Version, integer
from stopline_cabinets.snmp.errors import SnmpRefused
from stopline_cabinets.snmp.peer import Access, CommunityPeer, Peer
from stopline_hil.conformance.subject import Checks, Pause
from stopline_hil.reports.model import Verdict
from stopline_signals.errors import CabinetError, CabinetTimeout
from stopline_signals.plan import SignalPlan

PLAN_FITS = "the signal plan fits its database"
POLL_S = 0.05
HOLD, FORCE_OFF, VEH_CALL, OMIT, PED_OMIT, PED_CALL = (
    cell(f"phaseControlGroup{name}", 1)
    for name in ("Hold", "ForceOff", "VehCall", "PhaseOmit", "PedOmit", "PedCall")
)
GREENS = cell("phaseStatusGroupGreens", 1)
CONTROL, FLASH, BACKUP = scalar("unitControlStatus"), scalar("unitFlashStatus"), scalar("unitBackupTime")
GLOBAL_TIME = scalar("globalTime")
CLOCK_OFF_S = 60
ZERO = tuple(
    integer(oid, 0) for oid in (VEH_CALL, PED_CALL, HOLD, OMIT, PED_OMIT, FORCE_OFF, PATTERN_CONTROL)
)


class NtcipSubject:
    """A controller at an address."""

    stamps_lamps = False
    shows_permissive = False
    identity: tuple[str, ...] = (PLAN_FITS,)

    def __init__(
        self,
        host: str,
        port: int,
        plan: SignalPlan,
        *,
        profile: str = AUTO,
        version: Version | None = None,
        read_community: str | None = None,
        write_community: str | None = None,
        rate: float = 1.0,
    ) -> None:
        self.address = f"ntcip://{host}:{port}"
        self.plan = plan
        self.rate = rate
        self._at = Address(
            host=host,
            port=port,
            profile=profile,
            version=version,
            read_community=read_community,
            write_community=write_community,
        )
        self._leases = Path(tempfile.mkdtemp(prefix="stopline-conformance-"))

    def open(self, owner: int, label: str) -> Cabinet:
        """The NTCIP driver, which looks whenever it is asked."""
        return Driver(
            lambda: dial(self._at),
            self.plan,
            address=self.address,
            owner=owner,
            label=label,
            rate=self.rate,
            poll=POLL_S,
            lease_dir=self._leases,
        )

    async def probe(self, pause: Pause) -> list[Verdict]:
        """Identity, database, unit and clock, without a SET."""
        checks = Checks()
        await checks.attempt(PLAN_FITS, self._database(checks))
        await checks.attempt("the unit can be read", self._unit(checks, pause))
        return checks.verdicts

    async def provoke(self, pause: Pause) -> list[Verdict]:
        """SETs that must be refused, and ones that must end by themselves."""
        checks = Checks()
        device = await dial(self._at)
        peer = device.peer
        try:
            await checks.attempt("communities", self._communities(checks, device.profile.version, peer))
            await checks.attempt("all or nothing", self._all_or_nothing(checks, peer))
            await checks.attempt("force-off", self._force_off(checks, peer, pause))
            await checks.attempt("the backup timer", self._backup(checks, peer, pause))
        finally:
            await peer.set(lambda: ZERO)
        return checks.verdicts

    async def _database(self, checks: Checks) -> None:
        cabinet = self.open(1, "probe")
        state = await cabinet.connect(lease=False)
        await cabinet.close()
        groups, detectors = len(self.plan.groups), len(self.plan.detectors)
        checks.note(PLAN_FITS, True)
        checks.note("every group is seen", len(state.aspects) == groups, len(state.aspects))
        checks.note("every detector is seen", len(state.readings) == detectors, len(state.readings))

    async def _unit(self, checks: Checks, pause: Pause) -> None:
        peer = (await dial(self._at)).peer
        first = await peer.get_available((SYS_UP_TIME, CONTROL, FLASH, BACKUP, GLOBAL_TIME))
        backup = _number(first, BACKUP)
        wanted = f"{BACKUP_TIMES.start} to {BACKUP_TIMES.stop - 1}"
        checks.note(f"unitBackupTime is {wanted} s", backup in BACKUP_TIMES, f"{backup} s")
        checks.note("it is not on flash", _number(first, FLASH) == FlashStatus.NOT_FLASH, first.get(FLASH))
        known = tuple(int(status) for status in ControlStatus)
        checks.note(
            "unitControlStatus is one of its values", _number(first, CONTROL) in known, first.get(CONTROL)
        )
        await pause(20)
        later = await peer.get_available((SYS_UP_TIME, GLOBAL_TIME))
        ran = _number(later, SYS_UP_TIME) - _number(first, SYS_UP_TIME)
        checks.note("sysUpTime runs", 0 < ran < 60_000, f"{ran / 100} s")
        if GLOBAL_TIME in later:
            off = abs(_number(later, GLOBAL_TIME) - time.time())
            checks.note(f"its clock is right to {CLOCK_OFF_S} s", off <= CLOCK_OFF_S, f"{off:.0f} s off")

    async def _communities(self, checks: Checks, version: Version, peer: Peer) -> None:
        read = self._at.read_community or "public"
        refused = await self._refuses(self._peer(version, read), (integer(VEH_CALL, 0),))
        checks.note("the reading community may not SET", refused or read == self._at.write_community)
        stranger = self._peer(version, "no-such-community")
        try:
            await stranger.get((CONTROL,))
        except CabinetError:
            checks.note("an unknown community is told nothing", True)
        else:
            checks.note("an unknown community is told nothing", False, "it was answered")

    async def _all_or_nothing(self, checks: Checks, peer: Peer) -> None:
        await peer.set(lambda: ZERO)
        refused = await self._refuses(peer, (integer(HOLD, 1), integer(PATTERN_CONTROL, 256)))
        checks.note("a value out of range is refused", refused, "it was set")
        held = _number(await peer.get((HOLD,)), HOLD)
        checks.note("a refused message sets nothing of it", held == 0, f"Hold is {held}")

    async def _force_off(self, checks: Checks, peer: Peer, pause: Pause) -> None:
        """Each phase that is green is forced off; its bit must go when its green does."""
        backup = _number(await peer.get((BACKUP,)), BACKUP)
        green = _number(await peer.get((GREENS,)), GREENS)
        asked = (integer(VEH_CALL, 0xFF & ~green), integer(PATTERN_CONTROL, 254), integer(FORCE_OFF, green))
        await peer.set(lambda: asked)
        left = green
        for tick in range(600):
            values = await peer.get((GREENS, FORCE_OFF))
            left = _number(values, FORCE_OFF) & ~_number(values, GREENS)
            if not _number(values, GREENS) & green:
                break
            if tick % (max(backup, 4) * 10 // 4) == 0:
                await peer.set(lambda: asked[:2])
            await pause(1)
        await pause(3)
        left = _number(await peer.get((FORCE_OFF,)), FORCE_OFF) & green
        checks.note("a force-off ends with the green it ended", left == 0, f"mask {left:#x} is left")
        await peer.set(lambda: ZERO)

    async def _backup(self, checks: Checks, peer: Peer, pause: Pause) -> None:
        backup = _number(await peer.get((BACKUP,)), BACKUP)
        await peer.set(lambda: (integer(PATTERN_CONTROL, 254), integer(HOLD, 1), integer(VEH_CALL, 1)))
        await pause(10)
        kept = _number(await peer.get((HOLD,)), HOLD)
        checks.note("masks stay while the backup timer runs", kept == 1, f"Hold is {kept}")
        for _ in range(backup * 10 // 5 + 4):
            await peer.get((HOLD, CONTROL))  # reading must not feed it
            await pause(5)
        values = await peer.get((HOLD, VEH_CALL, PATTERN_CONTROL, CONTROL))
        left = {oid: value for oid, value in values.items() if oid != CONTROL and value}
        checks.note("silence for the backup time zeroes every mask", not left, f"{left} left")
        status = _number(values, CONTROL)
        checks.note("and unitControlStatus says backupMode", status == ControlStatus.BACKUP, status)

    async def _refuses(self, peer: Peer, bindings: tuple[VarBind, ...]) -> bool:
        try:
            await peer.set(lambda: bindings)
        except (SnmpRefused, CabinetTimeout):
            return True
        return False

    def _peer(self, version: Version, community: str) -> Peer:
        return CommunityPeer(
            Access(
                host=self._at.host,
                port=self._at.port or 161,
                version=version,
                read_community=community,
                write_community=community,
            )
        )


def _number(values: Mapping[Oid, Value], oid: Oid) -> int:
    value = values.get(oid)
    return value if isinstance(value, int) else -1
