"""The policies of a controller, put together from its site file."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from stopline_controller.alarms import Alarms
from stopline_controller.audit import AuditLog
from stopline_controller.clock import Clock
from stopline_controller.policy_room import PolicyRoom
from stopline_controller.policy_store import PolicyStore
from stopline_controller.policy_traffic import Traffic
from stopline_controller.policy_watch import Limits
from stopline_controller.runtime import JunctionRuntime
from stopline_controller.site import Site
from stopline_policy.signing import load_public_key

FOLDER = "policies"
"""Of the versions, in the state directory."""


def open_policies(site: Site, clock: Clock, audit: AuditLog, alarms: Alarms) -> PolicyRoom:
    """The room with its history read and the policy in charge ready to decide."""
    tables = site.tables
    plans = {junction.plan.junction: junction.plan for junction in site.junctions}
    keys = [load_public_key(site.path.parent / key) for key in tables.policy.trusted_keys] or None
    limits = tables.rollback
    folder = site.state_dir / FOLDER
    room = PolicyRoom(
        PolicyStore(folder, keys, alarms),
        plans,
        Traffic(plans, limits.window_s, folder / "local_plan.json"),
        clock=clock,
        audit=audit,
        alarms=alarms,
        limits=Limits(limits.interventions, limits.failures, limits.batch_ms, limits.delay, limits.windows),
        shadow_decisions=tables.policy.shadow_decisions,
    )
    room.open(site.bundle)
    return room


def pacer(junctions: Iterable[JunctionRuntime], ttl_of: Callable[[float], float]) -> Callable[[float], None]:
    """What sets the cadence of all junctions; `ttl_of` gives the seconds a plan holds for an interval."""
    runtimes = tuple(junctions)

    def pace(interval: float) -> None:
        for runtime in runtimes:
            runtime.control.pace(round(interval * 10))
            runtime.link.pace(ttl_of(interval))

    return pace
