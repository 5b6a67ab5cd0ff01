"""What would become of an override now: scope, ability of the cabinet, higher sources, guard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stopline_cabinets.words import Can
from stopline_controller.arbiter import Arbiter
from stopline_controller.junction import JunctionControl
from stopline_controller.leases import Lease
from stopline_controller.overrides import NEEDS, OF_GROUPS, Answer, Status, Verb, Wanted
from stopline_controller.snapshots import Snapshot
from stopline_controller.sources import CABINET_DECIDES, GRACE, Source
from stopline_signals.engine import EngineState, shown_green
from stopline_signals.plan import SignalPlan

WORDS = {
    Can.ALL_RED: "all red",
    Can.FLASH: "flash",
    Can.PATTERN: "a pattern by number",
    Can.CALL: "calls for groups",
    Can.OMIT: "omitting groups",
}


class Case(NamedTuple):
    """A junction as it is now; `snapshot` is None before the first tick."""

    control: JunctionControl
    snapshot: Snapshot | None
    arbiter: Arbiter


def judge(case: Case, wanted: Wanted, lease: Lease) -> Answer:
    """Judge without placing anything."""
    snapshot = case.snapshot
    if snapshot is None or snapshot.now is None or snapshot.seen is None:
        return Answer(status=Status.REJECTED, reason="the cabinet does not answer", blocking=Source.LOCAL)
    state = snapshot.now.state
    problem = (
        _outside(case.control.plan, lease, wanted)
        or _missing(case.control.plan, state, wanted)
        or _unable(case.control.plan, snapshot, wanted)
    )
    if problem:
        return Answer(status=Status.REJECTED, reason=problem)
    earliest = _earliest(case.control, state, wanted)
    for standing in snapshot.ruling.stack:
        source = standing.proposal.source
        if standing.active and source in case.arbiter.above(Source.CENTRE):
            reason = f"{source} is in force: {standing.proposal.reason}"
            return Answer(status=Status.QUEUED, reason=reason, blocking=source, earliest=earliest)
    return _timed(case.control, state, wanted, earliest)


def _timed(control: JunctionControl, state: EngineState, wanted: Wanted, earliest: int) -> Answer:
    if wanted.verb is Verb.CALL:
        return Answer(status=Status.ACCEPTED, reason="called until green", earliest=earliest)
    if wanted.verb is Verb.OMIT or wanted.groups:
        return Answer(status=Status.ACCEPTED, reason="in force; it ends no green", earliest=earliest)
    if wanted.verb is Verb.SELECT_PLAN:
        return Answer(status=Status.ACCEPTED, reason="in force; the cabinet changes over by itself")
    verdict = control.guard.decide(state, wanted.stage, GRACE[Source.CENTRE])
    if verdict.reason is not None:
        return Answer(status=Status.PENDING_SAFE_POINT, reason=str(verdict.reason), earliest=earliest)
    return Answer(status=Status.ACCEPTED, reason="in force")


def _outside(plan: SignalPlan, lease: Lease, wanted: Wanted) -> str:
    """Why the lease does not cover the request."""
    if not lease.groups:
        return ""
    covered = _listed(plan, _indices(lease.groups))
    if wanted.verb not in OF_GROUPS:
        return f"this lease covers {covered} only; {wanted.verb} needs a lease of the whole junction"
    if wanted.groups & ~lease.groups:
        others = _listed(plan, _indices(wanted.groups & ~lease.groups))
        return f"this lease covers {covered} only, not {others}"
    return ""


def _missing(plan: SignalPlan, state: EngineState, wanted: Wanted) -> str:
    """What the request names that is not there."""
    if wanted.verb is Verb.GO_TO_STAGE and not 0 <= wanted.stage < len(plan.stages):
        return f"junction {plan.junction} has stages 0..{len(plan.stages) - 1}"
    if wanted.verb is Verb.HOLD and not wanted.groups and not 0 <= wanted.stage < len(plan.stages):
        return "there is no stage in force that could be held"
    if wanted.verb is Verb.CALL and not wanted.groups:
        return "say which groups to call"
    if wanted.verb in (Verb.CALL, Verb.HOLD):
        unserved = [g for g in _indices(wanted.groups) if not plan.stages_serving(g)]
        if unserved:
            return f"no stage serves {_listed(plan, unserved)}"
    if wanted.verb is Verb.HOLD and wanted.groups:
        red = [
            g for g, aspect in enumerate(state.aspects) if wanted.groups >> g & 1 and not shown_green(aspect)
        ]
        if red:
            return f"{', '.join(plan.groups[group].name for group in red)}: not green, so not to be held"
    return ""


def _unable(plan: SignalPlan, snapshot: Snapshot, wanted: Wanted) -> str:
    """Why nobody here can carry the request out."""
    assert snapshot.seen is not None
    needed = NEEDS.get(wanted.verb, Can.NONE)
    by_groups = wanted.verb in OF_GROUPS and bool(wanted.groups)
    if needed in snapshot.seen.can and not (by_groups and wanted.verb is Verb.HOLD):
        return ""
    if not by_groups:
        return f"this cabinet does not take {WORDS[needed]}" if needed else ""
    # This side can keep wishes for groups itself, as long as it is the one that chooses stages.
    what = WORDS.get(needed, "holds of groups")
    if _choosing(snapshot) in CABINET_DECIDES:
        return f"this cabinet does not take {what}, and nobody here chooses its stages now; go to one instead"
    on_demand = [g for g in _indices(wanted.groups) if plan.groups[g].on_demand]
    if on_demand and needed:
        return f"this cabinet does not take {what}, and serves {_listed(plan, on_demand)} by its own buttons"
    return ""


def _choosing(snapshot: Snapshot) -> Source:
    """The source that chooses stages, or would as soon as the centre is not in force."""
    order = (standing for standing in snapshot.ruling.stack if standing.active)
    return next(
        (s.proposal.source for s in order if s.proposal.source is not Source.CENTRE),
        Source.LOCAL,
    )


def _earliest(control: JunctionControl, state: EngineState, wanted: Wanted) -> int:
    """Tenths from now until the timing rules let it begin."""
    if wanted.verb is Verb.CALL:
        groups = [
            g for g, aspect in enumerate(state.aspects) if wanted.groups >> g & 1 and not shown_green(aspect)
        ]
        stages = {stage for group in groups for stage in control.plan.stages_serving(group)}
        return min((control.engine.earliest(state, stage) for stage in stages), default=state.now) - state.now
    if wanted.stage in (state.stage, -1):
        return 0
    return control.engine.earliest(state, wanted.stage) - state.now


def _indices(groups: int) -> list[int]:
    return [index for index in range(groups.bit_length()) if groups >> index & 1]


def _listed(plan: SignalPlan, groups: Sequence[int]) -> str:
    return ", ".join(plan.groups[group].name for group in groups)
