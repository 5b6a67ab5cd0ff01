"""Which policy decides: versions loaded, tried in shadow, put in charge, and taken out when one fails.

The control thread asks `decide` and hands snapshots to `note`; everything else is for the services. A change
takes effect with the next decision. A policy that passes a limit is replaced within the same decision, by the
version in charge before it, else by the local plans.

Nothing that takes its time happens under the lock that the control thread waits for: the history is written
by the service that changed it before it answers, else by `tidy`, and models are loaded beside it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from stopline_controller.alarms import Alarms
from stopline_controller.audit import AuditLog, Entry
from stopline_controller.audit_chain import AuditError
from stopline_controller.clock import Clock
from stopline_controller.policies import PolicyFacts, host_bundle
from stopline_controller.policy_seat import Seat
from stopline_controller.policy_store import (
    ACTIVATED,
    CONTROLLER,
    DAMAGED,
    LOCAL,
    ROLLED_BACK,
    SHADOW_ENDED,
    SHADOW_FAILED,
    PolicyError,
    PolicyStore,
    State,
    Version,
    rolled_back_alarm,
    why_rolled_back,
)
from stopline_controller.policy_traffic import Traffic
from stopline_controller.policy_watch import Limits
from stopline_controller.snapshots import Snapshot
from stopline_controller.sources import Proposal, Source
from stopline_policy.bundle import Bundle
from stopline_signals.errors import BundleError
from stopline_signals.plan import SignalPlan
from stopline_signals.view import JunctionView

log = structlog.get_logger(__name__)

NONE = "none"
"""What is activated to leave the junctions to their local plans."""
SITE_FILE = "site file"
CAUGHT_UP = 50_000
"""The latest audit records that may hold a change the history misses: it is written within seconds."""
ALARM = "policy"
SHADOW_LOG_S = 600.0
"""Real seconds between two lines of log about the agreement of a shadow."""


class PolicyRoom:
    """The policies of one controller."""

    def __init__(
        self,
        store: PolicyStore,
        plans: Mapping[str, SignalPlan],
        traffic: Traffic,
        *,
        clock: Clock,
        audit: AuditLog,
        alarms: Alarms,
        limits: Limits,
        shadow_decisions: int = 0,
    ) -> None:
        """`shadow_decisions`: how often a version must have decided in shadow before it may be activated."""
        self.store = store
        self.shadowing: Seat | None = None
        """The policy in shadow."""
        self.active: Seat | None = None
        """The policy in charge; None: the local plans are."""
        self._plans = plans
        self._traffic = traffic
        self._clock = clock
        self._audit = audit
        self._alarms = alarms
        self._limits = limits
        self._shadow_decisions = shadow_decisions
        self._lock = threading.RLock()
        """Held for moments: the control thread waits for it."""
        self._files = threading.Lock()
        """Held while files are read or written; taken before `_lock`, never after it, nor in control."""
        self._ready: dict[str, Seat] = {}
        """The version a roll-back would take, ready to decide."""
        self._tried: dict[str, int] = {}
        self._why_local = "this site runs without a policy"
        self._paces: list[Callable[[float], None]] = []
        self._paced: Seat | None = None
        self._fresh: set[str] = set()
        self._said_at = time.monotonic()

    def open(self, site: Bundle | None) -> None:
        """Take up what was in charge before the stop, or the site file's bundle when that changed."""
        store, sha = self.store, site.sha256 if site else LOCAL
        self._catch_up()
        if site is not None:
            self._keep_sites_own(site)
        if store.charge and store.site == sha:
            self._resume(site)
        else:
            store.site, store.alarm = sha, ""
            self._take_charge(self._seat(site) if site else None, SITE_FILE, "named by the site file")
        self._alarms.set(ALARM, store.alarm)
        self._prepare()
        self._save()

    def on_pace(self, pace: Callable[[float], None]) -> None:
        """Have `pace` told, in the control thread, how many seconds lie between two decisions."""
        self._paces.append(pace)

    # In the control thread.

    def decide(self, views: Sequence[JunctionView]) -> list[Proposal | None]:
        """One proposal per view; None where the policy withdraws or there is none."""
        seat = self.active
        if seat is None:
            proposals: list[Proposal | None] = [None] * len(views)
        else:
            if seat is not self._paced:
                self._set_pace(seat)
            proposals = seat.ask(views)
            objection = seat.objection()
            if objection and self._replace(seat, objection):
                proposals = self.active.ask(views) if self.active else [None] * len(views)
        self._fresh.update(view.plan.junction for view in views)
        if self.shadowing is not None:
            self._compare(self.shadowing, views, proposals)
        return proposals

    def warm(self, views: Sequence[JunctionView]) -> None:
        """Let the active policy warm up."""
        seat = self.active
        if seat is not None:
            seat.host.warm(views)

    def withdraws(self, junction: str) -> str:
        """Why the policy asks for nothing at this junction; empty when it does."""
        seat = self.active
        return self._why_local if seat is None else seat.host.withdraws(junction)

    def ruled(self, snapshots: Sequence[Snapshot]) -> None:
        """Take in what the guard made of the decisions of this tick."""
        seat, fresh = self.active, self._fresh
        if not fresh:
            return
        for snapshot in snapshots:
            if snapshot.junction in fresh:
                fresh.discard(snapshot.junction)
                in_force = snapshot.ruling.winner.source is Source.POLICY
                if seat is not None and in_force and snapshot.verdict is not None:
                    seat.watch.ruled(snapshot.verdict.reason is not None)

    def note(self, snapshots: Sequence[Snapshot]) -> None:
        """Take in what is new about the traffic."""
        seat = self.active
        for snapshot in snapshots:
            weighed = self._traffic.take(snapshot)
            if weighed is not None and seat is not None and weighed.holder == seat.holder:
                seat.watch.window(weighed.window, weighed.expected_s)

    # For the services.

    @property
    def facts(self) -> PolicyFacts | None:
        """The policy in charge."""
        seat = self.active
        return seat.host.facts if seat else None

    @property
    def bundle(self) -> Bundle | None:
        """The bundle in charge."""
        seat = self.active
        return seat.bundle if seat else None

    def load(self, bundle: Bundle, who: str) -> Version:
        """Keep a verified bundle that every junction can feed; BundleError, PolicyError otherwise."""
        self._seat(bundle)
        with self._files:
            self.store.copy(bundle)
            with self._lock:
                name, signed_by = bundle.manifest.name, bundle.signed_by
                self._record("policy-loaded", who, bundle.sha256, name=name, signed_by=signed_by)
                version = self.store.enter(bundle, who)
        self._save()
        return version

    def refused(self, who: str, reason: str) -> None:
        """Record a bundle that was not taken."""
        self._record("policy-refused", who, LOCAL, reason=reason)

    def shadow(self, start: str, who: str) -> Seat | None:
        """Put a version in shadow (empty: none); returns the one that was there, with its figures."""
        version = self.store.find(start) if start else None
        if version is not None:
            _check_shadow(version)
        made = self._made(version) if version else None
        with self._lock:
            if made is not None:
                _check_shadow(self.store.find(made.sha256))
            before = self._end_shadow(who, f"taken out of shadow by {who}")
            if made is not None:
                self._record("policy-shadow", who, made.sha256, name=made.name)
                self.store.mark(made.sha256, State.SHADOW, f"put in shadow by {who}")
                self.shadowing = made
        self._save()
        return before

    def activate(self, start: str, who: str, reason: str, *, again: bool = False) -> int:
        """Put a version in charge (NONE: the local plans); returns the number of its audit record."""
        _need(who, reason)
        version = None if start == NONE else self.store.find(start)
        if version is not None:
            self._check_activation(version, again)
        made = self._made(version) if version else None
        with self._lock:
            if made is not None:
                # It may have failed in shadow while its model was loaded.
                self._check_activation(self.store.find(made.sha256), again)
            number = self._by_hand(made, ACTIVATED, who, reason)
        self._save()
        return number

    def roll_back(self, who: str, reason: str) -> int:
        """Put the version before in charge again; returns the number of its audit record."""
        _need(who, reason)
        with self._lock:
            if self.active is None:
                raise PolicyError("the local plans are in charge already; activate a version instead")
            following = self._next()
            self.store.mark(self.active.sha256, State.ROLLED_BACK, why_rolled_back(who, reason))
            number = self._by_hand(following, ROLLED_BACK, who, reason)
        self._save()
        return number

    def tidy(self) -> None:
        """Do what may take its time: write what control changed, load the next version, a line of log."""
        self._save()
        self._traffic.save()
        self._prepare()
        shadow = self.shadowing
        if shadow is not None and time.monotonic() - self._said_at >= SHADOW_LOG_S:
            self._said_at = time.monotonic()
            log.info("policy_in_shadow", policy=shadow.name, **shadow.total._asdict())

    # Changing who is in charge; under the lock, but at the start.

    def _take_charge(self, seat: Seat | None, who: str, reason: str, kind: str = ACTIVATED) -> int:
        """Record the change, then make it."""
        before, sha = self.active, seat.sha256 if seat else LOCAL
        if self.shadowing is not None and self.shadowing.sha256 == sha:
            self._end_shadow(who, "put in charge")
        number = self._record(
            kind,
            who,
            sha,
            name=seat.name if seat else "local plans",
            before=before.sha256 if before else LOCAL,
            reason=reason,
        )
        self.store.put_in_charge(sha, reason, f"{kind.removeprefix('policy-')} by {who}: {reason}")
        if before is not None and self.store.versions[before.sha256].state is State.LOADED:
            self._ready[before.sha256] = before
        self._why_local = f"the local plans were put in charge by {who}: {reason}"
        if who == SITE_FILE:
            self._why_local = "this site runs without a policy"
        self.active = seat
        return number

    def _by_hand(self, seat: Seat | None, kind: str, who: str, reason: str) -> int:
        number = self._take_charge(seat, who, reason, kind)
        self.store.alarm = ""
        self._alarms.set(ALARM, "")
        return number

    def _replace(self, seat: Seat, objection: str) -> bool:
        """Take the policy in charge out; False when it stays.

        One that cannot decide, and has nobody before it, withdraws and comes back by itself. One that decides
        badly is out until an engineer activates it again.
        """
        with self._lock:
            if self.active is not seat:
                return True
            following = self._next()
            if following is None and seat.failing:
                return False
            to = following.name if following else "the local plans"
            log.error("policy_rolled_back", policy=seat.name, to=to, reason=objection)
            self.store.mark(seat.sha256, State.ROLLED_BACK, objection)
            self._take_charge(following, CONTROLLER, objection, ROLLED_BACK)
            self.store.alarm = rolled_back_alarm(seat.name, to, objection)
            self._alarms.set(ALARM, self.store.alarm)
            return True

    def _compare(self, shadow: Seat, views: Sequence[JunctionView], acted: Sequence[Proposal | None]) -> None:
        shadow.compare(views, acted)
        self._tried[shadow.sha256] = self._tried.get(shadow.sha256, 0) + len(views)
        objection = shadow.objection()
        if objection:
            with self._lock:
                if self.shadowing is shadow:
                    self._end_shadow(CONTROLLER, SHADOW_FAILED + objection)
                    self.store.mark(shadow.sha256, State.ROLLED_BACK, SHADOW_FAILED + objection)

    def _end_shadow(self, who: str, reason: str) -> Seat | None:
        shadow, self.shadowing = self.shadowing, None
        if shadow is not None:
            self._record(SHADOW_ENDED, who, shadow.sha256, reason=reason, **shadow.total._asdict())
            self.store.end_shadow(shadow.sha256, reason)
        return shadow

    def _next(self) -> Seat | None:
        """The seat that takes over from the one in charge; None: the local plans."""
        return next((self._ready[sha] for sha in self.store.before() if sha in self._ready), None)

    # Files and models; not in control, and without its lock.

    def _save(self) -> None:
        """Write the history when it changed."""
        with self._files:
            with self._lock:
                if not self.store.unsaved:
                    return
                # Whatever changes the versions is recorded under the same lock: up to here all is taken in.
                page = self.store.page(self._audit.last)
            self.store.write(page)

    def _prepare(self) -> None:
        """Have the version that would take over ready, and no other."""
        while sha := self._missing():
            try:
                with self._files:
                    bundle = self.store.bundle(sha)
                seat = self._seat(bundle)
            except BundleError as error:
                with self._lock:
                    self._damaged(sha, error)
                continue
            with self._lock:
                self._ready[sha] = seat

    def _missing(self) -> str:
        """The version that would take over and is not ready; empty: it is, and no other is kept so."""
        with self._lock:
            wanted = next(iter(self.store.before())) if self.store.charge else LOCAL
            if wanted != LOCAL and wanted not in self._ready:
                return wanted
            self._ready = {sha: seat for sha, seat in self._ready.items() if sha == wanted}
            return ""

    def _catch_up(self) -> None:
        """Take in what was in force, and recorded so, when a kill came before the history was written."""
        store = self.store
        if store.audited is None:
            return
        first = max(store.audited, self._audit.last - CAUGHT_UP) + 1
        try:
            store.catch_up(self._audit.read(first))
        except (AuditError, KeyError, ValueError) as error:
            log.error(
                "policy_history_not_caught_up", error=repr(error), remedy="look at `stopline policy list`"
            )

    def _resume(self, site: Bundle | None) -> None:
        """Go on with the version that was in charge, or the latest before it that can still be read."""
        store = self.store
        for sha in [store.charge[-1], *store.before()]:
            try:
                if sha == LOCAL:
                    self._take_charge(None, CONTROLLER, "in charge before the restart")
                else:
                    bundle = site if site is not None and site.sha256 == sha else store.bundle(sha)
                    self._take_charge(self._seat(bundle), CONTROLLER, "in charge before the restart")
                return
            except BundleError as error:
                self._damaged(sha, error)
                store.alarm = f"policy {sha[:12]} could not be taken up again: {error}"

    def _damaged(self, sha: str, error: BundleError) -> None:
        log.error("policy_version_damaged", sha256=sha, error=str(error), remedy="load it again")
        self.store.mark(sha, State.ROLLED_BACK, f"{DAMAGED}{error}")

    def _keep_sites_own(self, site: Bundle) -> None:
        try:
            self.store.copy(site)
        except PolicyError as error:
            # It can be read where the site file says; only a roll-back to it will not survive its removal.
            log.error("policy_not_kept", error=str(error))
        self.store.enter(site, SITE_FILE)

    def _check_activation(self, version: Version, again: bool) -> None:
        if version.state is State.ACTIVE:
            raise PolicyError(f"{version.name} is in charge already")
        settled = version.settled()
        if settled.state is State.ROLLED_BACK and not again:
            raise PolicyError(
                f"{version.name} was rolled back ({settled.reason}); say `again` to activate it all the same"
            )
        tried = self._tried.get(version.sha256, 0)
        if tried < self._shadow_decisions:
            raise PolicyError(
                f"{version.name} decided {tried} times in shadow, this site wants {self._shadow_decisions}: "
                "put it in shadow first"
            )

    def _made(self, version: Version) -> Seat:
        """A seat for a version kept here; PolicyError when its copy is damaged."""
        try:
            return self._seat(self.store.bundle(version.sha256))
        except BundleError as error:
            raise PolicyError(str(error)) from error

    def _seat(self, bundle: Bundle) -> Seat:
        host = host_bundle(bundle, list(self._plans.values()))
        return Seat(host, bundle, self._limits, len(self._plans))

    def _set_pace(self, seat: Seat) -> None:
        self._paced = seat
        for pace in self._paces:
            pace(seat.host.facts.decision_interval)

    def _record(self, kind: str, who: str, sha: str, **detail: object) -> int:
        entry = Entry(kind, self._clock.tenths(), "", who, {"bundle": sha, **detail})
        return self._audit.append([entry])[0]


def _check_shadow(version: Version) -> None:
    if version.state is State.ACTIVE:
        raise PolicyError(f"{version.name} is in charge; it cannot be its own shadow")


def _need(who: str, reason: str) -> None:
    if not who or not reason:
        raise PolicyError("say who and why; both go into the audit log")
