"""Everything known of an NTCIP cabinet as one `CabinetState`."""

from __future__ import annotations

from stopline_cabinets.ntcip.checks import (
    FAULT_BACKUP,
    FAULT_DATABASE,
    FAULT_DETECTOR,
    FAULT_EXPIRED,
    FAULT_MONITOR,
    FAULT_PUSH,
    Asked,
    flags_of,
    flashes,
    mode_of,
)
from stopline_cabinets.ntcip.feeds import Feeds
from stopline_cabinets.ntcip.groups import GroupMap, Sight
from stopline_cabinets.ntcip.lease import Holder
from stopline_cabinets.ntcip.ledger import CAN, Ledger
from stopline_cabinets.ntcip.session import Session
from stopline_cabinets.ntcip.status import ControlStatus
from stopline_cabinets.words import DARK, NO_STAGE, OWN_PATTERN, CabinetState, Flag, Mode, digest32
from stopline_signals.detectors import DetectorReading, calls_from
from stopline_signals.plan import SignalPlan


class Reporter:
    """Puts a cabinet's state together."""

    def __init__(self, plan: SignalPlan, groups: GroupMap, feeds: Feeds) -> None:
        self._plan = plan
        self._groups = groups
        self._feeds = feeds
        self._digest = digest32(plan.digest())
        self._every_stage = (1 << len(plan.stages)) - 1

    def state(
        self,
        now: int,
        session: Session,
        ledger: Ledger,
        sight: Sight,
        holder: Holder | None,
        asked: Asked,
    ) -> CabinetState:
        """The state at `now`."""
        watcher, pushed = session.watcher, session.pushed_status
        active = ledger.active
        mode = mode_of(watcher.unit, pushed, asked._replace(flash=ledger.asks_flash))
        if active and mode is Mode.LOCAL and watcher.unit.control != ControlStatus.BACKUP:
            mode = Mode.REMOTE  # its status follows a little later
        dark = flashes(watcher.unit, pushed)
        readings = self._feeds.readings(now, watcher.detections)
        flags = flags_of(watcher.unit, pushed)
        flags |= Flag.IN_TRANSITION if sight.in_transition else Flag.NONE
        flags |= Flag.REMOTE_ACTIVE if mode is Mode.REMOTE else Flag.NONE
        return CabinetState(
            time=now,
            mode=mode,
            flags=flags,
            faults=_faults(session, ledger, readings, flags),
            stage=sight.stage,
            target=sight.stage if ledger.wanted == NO_STAGE else ledger.wanted,
            settled_in=sight.settled_in,
            stage_elapsed=sight.elapsed,
            aspects=(DARK,) * len(self._plan.groups) if dark else self._groups.aspects(watcher.lamps),
            readings=readings,
            calls=calls_from(self._plan, readings) | (active.command.calls if active else 0),
            legal=0 if dark else self._every_stage,
            active_seq=active.command.seq if active else 0,
            staged_seq=ledger.staged.command.seq if ledger.staged else 0,
            judged_seq=ledger.judged[0],
            judged_crc=ledger.judged[1],
            result=ledger.judged[2],
            active_crc=active.crc if active else 0,
            row=ledger.row if active else 0,
            ttl_remaining=max(0, active.ends - now) if active else 0,
            heartbeat_limit=10 * watcher.unit.backup_time,
            owner=holder.owner if holder else 0,
            plan_digest=self._digest,
            can=CAN,
            omits=active.command.omits if active else 0,
            pattern=active.command.pattern if active else OWN_PATTERN,
        )


def _faults(session: Session, ledger: Ledger, readings: tuple[DetectorReading, ...], flags: Flag) -> int:
    watcher = session.watcher
    faults = 0
    for fault, on in (
        (FAULT_MONITOR, Flag.MONITOR_OK not in flags),
        (FAULT_DETECTOR, any(not reading.healthy for reading in readings)),
        (FAULT_BACKUP, watcher.unit.control == ControlStatus.BACKUP),
        (FAULT_EXPIRED, ledger.expired),
        (FAULT_DATABASE, session.database_changes > 0),
        (FAULT_PUSH, watcher.push_missing),
    ):
        faults |= fault * on
    return faults
