"""The traffic under a policy against the local plan's, junction by junction; see `queue_delay` for how."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import structlog

from stopline_controller.files import write_whole
from stopline_controller.queue_delay import Baseline, QueueMeter, Window
from stopline_controller.snapshots import Snapshot
from stopline_controller.sources import Source
from stopline_signals.plan import SignalPlan

log = structlog.get_logger(__name__)


class Weighed(NamedTuple):
    """A whole window of a policy, and the standing time it would have had under the local plan."""

    holder: str
    window: Window
    expected_s: float


class Traffic:
    """Learns what is usual under the local plan and weighs policies by it; kept in a file over restarts."""

    def __init__(self, plans: Mapping[str, SignalPlan], window_s: float, file: Path) -> None:
        """Go on from the file where there is one."""
        self._file = file
        self._meters = {name: QueueMeter(plan, window_s) for name, plan in plans.items()}
        self._baseline = _read(file)
        self._unwritten = False

    def take(self, snapshot: Snapshot) -> Weighed | None:
        """Take a tick in; returns a policy's window when one is whole and can be compared."""
        seen, winner = snapshot.seen, snapshot.ruling.winner
        if seen is None:
            self._meters[snapshot.junction].stop()
            return None
        # A window belongs to one party: to one version of the policy, or to one other source.
        party = winner.holder if winner.source is Source.POLICY else winner.source
        window = self._meters[snapshot.junction].take(party, seen.time, seen.readings)
        if window is None:
            return None
        if winner.source is Source.LOCAL:
            self._baseline.learn(snapshot.junction, window)
            self._unwritten = True
        elif winner.source is Source.POLICY:
            expected = self._baseline.expect(snapshot.junction, window)
            return None if expected is None else Weighed(winner.holder, window, expected)
        return None

    def save(self) -> None:
        """Write what was learnt since the last time; more may be learnt meanwhile, in another thread."""
        if not self._unwritten:
            return
        # Before the look: what is learnt after it is for the next time.
        self._unwritten = False
        if not write_whole(self._file, json.dumps(self._baseline.table())):
            self._unwritten = True


def _read(file: Path) -> Baseline:
    try:
        return Baseline(json.loads(file.read_text())) if file.exists() else Baseline()
    except (OSError, ValueError, TypeError, AttributeError) as error:
        log.error(
            "local_plan_baseline_damaged", path=str(file), error=repr(error), remedy="it is learnt anew"
        )
        return Baseline()
