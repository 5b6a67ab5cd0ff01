"""The operators' desk: leases and overrides as requested, judged, recorded and answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from stopline_controller.arbiter import Arbiter
from stopline_controller.audit import AuditLog, Entry
from stopline_controller.clock import Clock
from stopline_controller.junction import JunctionControl
from stopline_controller.leases import Lease, LeaseError
from stopline_controller.overrides import Answer, Override, OverrideBook, Status
from stopline_controller.snapshots import Hub, Snapshot
from stopline_controller.sources import GRACE, Source


class Desk:
    """What operators may do; everything is committed to the audit log before it is answered."""

    def __init__(
        self,
        clock: Clock,
        arbiter: Arbiter,
        controls: Mapping[str, JunctionControl],
        overrides: OverrideBook,
        audit: AuditLog,
        hub: Hub,
    ) -> None:
        self._clock = clock
        self._arbiter = arbiter
        self._controls = controls
        self._overrides = overrides
        self._leases = overrides.leases
        self._audit = audit
        self._hub = hub

    def acquire(self, junction: str, operator: str, ttl: float, reason: str, priority: int) -> Lease:
        """Grant a lease; LeaseError when it is refused."""
        before = self._leases.holder(junction)
        try:
            lease = self._leases.acquire(junction, operator, ttl, reason, priority)
        except LeaseError as error:
            self._record("lease-refused", junction, operator, why=str(error))
            raise
        taken_from = before.operator if before and before.operator != operator else None
        self._record(
            "lease", junction, operator, lease=lease.lease_id, token=lease.token, reason=reason, ttl=ttl
        )
        if taken_from:
            self._record("lease-taken-over", junction, operator, taken_from=taken_from)
        return lease

    def renew(self, lease_id: str, token: int, ttl: float) -> Lease:
        """Extend a lease; LeaseError when it is not in force."""
        lease = self._leases.renew(lease_id, token, ttl)
        self._record("lease-renewed", lease.junction, lease.operator, lease=lease_id, ttl=ttl)
        return lease

    def release(self, lease_id: str, token: int) -> None:
        """End a lease and what it holds; LeaseError when it is not in force."""
        lease = self._leases.release(lease_id, token)
        self._overrides.remove(lease.junction)
        self._record("lease-released", lease.junction, lease.operator, lease=lease_id)

    def override(
        self,
        lease_id: str,
        token: int,
        verb: str,
        stage: int | None,
        *,
        key: str = "",
        not_after_s: float = 0.0,
    ) -> Answer:
        """Hold (`stage` None: the present one), go to a stage, or release; says what becomes of it."""
        known = self._overrides.answered(lease_id, key)
        if known is not None:
            return known
        try:
            lease = self._leases.check(lease_id, token)
        except LeaseError as error:
            return self._answered("", "", verb, stage, Answer(status=Status.REJECTED, reason=str(error)))
        if verb == "release":
            self._overrides.remove(lease.junction)
            answer = Answer(status=Status.ACCEPTED, reason="handed back; the lease stays")
        else:
            answer = self._place(lease, verb, stage, not_after_s)
        answer = self._answered(lease.junction, lease.operator, verb, stage, answer)
        self._overrides.remember(lease_id, key, answer)
        return answer

    def _place(self, lease: Lease, verb: str, stage: int | None, not_after_s: float) -> Answer:
        control, snapshot = self._controls[lease.junction], self._hub.latest.get(lease.junction)
        if snapshot is None or snapshot.now is None:
            return Answer(status=Status.REJECTED, reason="the cabinet does not answer", blocking=Source.LOCAL)
        wanted = snapshot.now.state.stage if stage is None else stage
        if not 0 <= wanted < len(control.plan.stages):
            return Answer(
                status=Status.REJECTED,
                reason=f"junction {lease.junction} has stages 0..{len(control.plan.stages) - 1}",
            )
        not_after = self._clock.seconds() + not_after_s if not_after_s else 0.0
        self._overrides.place(Override(lease=lease, verb=verb, stage=wanted, not_after=not_after))
        return self._judge(control, snapshot, wanted)

    def _judge(self, control: JunctionControl, snapshot: Snapshot, stage: int) -> Answer:
        assert snapshot.now is not None
        state = snapshot.now.state
        earliest = control.engine.earliest(state, stage) - state.now if stage != state.stage else 0
        for standing in snapshot.ruling.stack:
            source = standing.proposal.source
            if standing.active and source in self._arbiter.above(Source.CENTRE):
                reason = f"{source} is in force: {standing.proposal.reason}"
                return Answer(status=Status.QUEUED, reason=reason, blocking=source, earliest=earliest)
        verdict = control.guard.decide(state, stage, GRACE[Source.CENTRE])
        if verdict.reason is not None:
            return Answer(status=Status.PENDING_SAFE_POINT, reason=str(verdict.reason), earliest=earliest)
        return Answer(status=Status.ACCEPTED, reason="in force", earliest=0)

    def _answered(self, junction: str, operator: str, verb: str, stage: int | None, answer: Answer) -> Answer:
        sequence = self._record(
            "override",
            junction,
            operator,
            verb=verb,
            stage=stage,
            status=str(answer.status),
            why=answer.reason,
        )
        return replace(answer, audit_sequence=sequence)

    def _record(self, kind: str, junction: str, operator: str, **detail: object) -> int:
        return self._audit.append([Entry(kind, self._clock.tenths(), junction, operator, detail)])[0]
