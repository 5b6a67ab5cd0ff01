"""Which policy decides: versions loaded, tried in shadow, put in charge, and taken out when one fails.

The control thread asks `decide` and hands snapshots to `note`; everything else is for the services. A change
takes effect with the next decision. A policy that passes a limit is replaced within the same decision, by the
version in charge before it, else by the local plans.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from stopline_controller.alarms import Alarms
from stopline_controller.audit import AuditLog, Entry
from stopline_controller.clock import Clock
from stopline_controller.policies import PolicyFacts, host_bundle
from stopline_controller.policy_seat import Seat
from stopline_controller.policy_store import LOCAL, PolicyError, PolicyStore, State, Version
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
SITE_FILE, CONTROLLER = "site file", "controller"
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
        if site is not None:
            self._keep_sites_own(site)
        if store.charge and store.site == sha:
            self._resume(site)
        else:
            store.site, store.alarm = sha, ""
            self._take_charge(self._seat(site) if site else None, SITE_FILE, "named by the site file")
        self._alarms.set(ALARM, store.alarm)
        self._prepare()
        store.save()

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
        with self._lock:
            version = self.store.keep(bundle, who)
            self._record("policy-loaded", who, version.sha256, name=version.name, signed_by=version.signed_by)
            self.store.save()
            return version

    def refused(self, who: str, reason: str) -> None:
        """Record a bundle that was not taken."""
        self._record("policy-refused", who, LOCAL, reason=reason)

    def shadow(self, start: str, who: str) -> Seat | None:
        """Put a version in shadow (empty: none); returns the one that was there, with its figures."""
        version = self.store.find(start) if start else None
        if version is not None and version.state is State.ACTIVE:
            raise PolicyError(f"{version.name} is in charge; it cannot be its own shadow")
        made = self._made(version) if version else None
        with self._lock:
            before = self._end_shadow(who, f"taken out of shadow by {who}")
            if made is not None:
                self._record("policy-shadow", who, made.sha256, name=made.name)
                self.store.mark(made.sha256, State.SHADOW, f"put in shadow by {who}")
                self.shadowing = made
            self.store.save()
            return before

    def activate(self, start: str, who: str, reason: str, *, again: bool = False) -> int:
        """Put a version in charge (NONE: the local plans); returns the number of its audit record."""
        _need(who, reason)
        version = None if start == NONE else self.store.find(start)
        if version is not None:
            self._check_activation(version, again)
        made = self._made(version) if version else None
        with self._lock:
            if made is not None and self.shadowing is not None and self.shadowing.sha256 == made.sha256:
                self._end_shadow(who, "activated")
            return self._by_hand(made, "policy-activated", who, reason)

    def roll_back(self, who: str, reason: str) -> int:
        """Put the version before in charge again; returns the number of its audit record."""
        _need(who, reason)
        with self._lock:
            if self.active is None:
                raise PolicyError("the local plans are in charge already; activate a version instead")
            following = self._next()
            self.store.mark(self.active.sha256, State.ROLLED_BACK, f"rolled back by {who}: {reason}")
            return self._by_hand(following, "policy-rolled-back", who, reason)

    def tidy(self) -> None:
        """Do what may take its time: files a full disk refused, the next version, a line of log."""
        self._traffic.save()
        with self._lock:
            self.store.retry()
            self._prepare()
            shadow = self.shadowing
        if shadow is not None and time.monotonic() - self._said_at >= SHADOW_LOG_S:
            self._said_at = time.monotonic()
            log.info("policy_in_shadow", policy=shadow.name, **shadow.total._asdict())

    # Changing who is in charge; under the lock, but at the start.

    def _take_charge(self, seat: Seat | None, who: str, reason: str, kind: str = "policy-activated") -> int:
        """Record the change, then make it."""
        before, sha = self.active, seat.sha256 if seat else LOCAL
        number = self._record(
            kind,
            who,
            sha,
            name=seat.name if seat else "local plans",
            before=before.sha256 if before else LOCAL,
            reason=reason,
        )
        if before is not None and self.store.versions[before.sha256].state is State.ACTIVE:
            self.store.mark(before.sha256, State.LOADED, f"{kind.removeprefix('policy-')} by {who}: {reason}")
            self._ready[before.sha256] = before
        if self.store.charge[-1:] != [sha]:
            self.store.charge.append(sha)
        self.store.mark(sha, State.ACTIVE, reason)
        self._why_local = f"the local plans were put in charge by {who}: {reason}"
        if who == SITE_FILE:
            self._why_local = "this site runs without a policy"
        self.active = seat
        return number

    def _by_hand(self, seat: Seat | None, kind: str, who: str, reason: str) -> int:
        number = self._take_charge(seat, who, reason, kind)
        self.store.alarm = ""
        self._alarms.set(ALARM, "")
        self.store.save()
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
            self._take_charge(following, CONTROLLER, objection, "policy-rolled-back")
            self.store.alarm = f"policy {seat.name} was rolled back to {to}: {objection}"
            self._alarms.set(ALARM, self.store.alarm)
            self.store.save()
            return True

    def _compare(self, shadow: Seat, views: Sequence[JunctionView], acted: Sequence[Proposal | None]) -> None:
        shadow.compare(views, acted)
        self._tried[shadow.sha256] = self._tried.get(shadow.sha256, 0) + len(views)
        objection = shadow.objection()
        if objection:
            with self._lock:
                if self.shadowing is shadow:
                    self._end_shadow(CONTROLLER, f"failed in shadow: {objection}", State.ROLLED_BACK)
                    self.store.save()

    def _end_shadow(self, who: str, reason: str, state: State = State.LOADED) -> Seat | None:
        shadow, self.shadowing = self.shadowing, None
        if shadow is not None:
            self._record("policy-shadow-ended", who, shadow.sha256, reason=reason, **shadow.total._asdict())
            self.store.mark(shadow.sha256, state, reason)
        return shadow

    def _next(self) -> Seat | None:
        """The seat that takes over from the one in charge; None: the local plans."""
        return next((self._ready[sha] for sha in self.store.before() if sha in self._ready), None)

    def _prepare(self) -> None:
        """Have the version that would take over ready, and no other."""
        if not self.store.charge:
            return
        for sha in self.store.before():
            if sha == LOCAL or sha in self._ready:
                break
            try:
                self._ready[sha] = self._seat(self.store.bundle(sha))
                break
            except BundleError as error:
                self._damaged(sha, error)
        wanted = next(iter(self.store.before()))
        self._ready = {sha: seat for sha, seat in self._ready.items() if sha == wanted}

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
        self.store.mark(sha, State.ROLLED_BACK, f"damaged: {error}")

    def _keep_sites_own(self, site: Bundle) -> None:
        try:
            self.store.keep(site, SITE_FILE)
        except PolicyError as error:
            # It can be read where the site file says; only a roll-back to it will not survive its removal.
            log.error("policy_not_kept", error=str(error))
            self.store.enter(site, SITE_FILE)

    def _check_activation(self, version: Version, again: bool) -> None:
        if version.state is State.ACTIVE:
            raise PolicyError(f"{version.name} is in charge already")
        if version.state is State.ROLLED_BACK and not again:
            raise PolicyError(
                f"{version.name} was rolled back ({version.reason}); say `again` to activate it all the same"
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


def _need(who: str, reason: str) -> None:
    if not who or not reason:
        raise PolicyError("say who and why; both go into the audit log")
