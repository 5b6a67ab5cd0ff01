"""All parts of one controller, put together from a checked site."""

from __future__ import annotations

import socket
import zlib
from dataclasses import dataclass

from stopline_controller.alarms import Alarms
from stopline_controller.arbiter import Arbiter
from stopline_controller.audit import AuditLog
from stopline_controller.clock import Clock
from stopline_controller.decider import Decider
from stopline_controller.desk import Desk
from stopline_controller.detector_health import MINUTE, DetectorWatch, HealthLimits
from stopline_controller.drivers import Lessee
from stopline_controller.events import EventLog
from stopline_controller.fencing import TokenFloor
from stopline_controller.housekeeping import Housekeeping
from stopline_controller.junction import JunctionControl
from stopline_controller.leases import LeaseBook
from stopline_controller.link import CabinetLink
from stopline_controller.loop import ControlLoop, slots_for
from stopline_controller.overrides import OverrideBook
from stopline_controller.policy_assembly import open_policies, pacer
from stopline_controller.policy_room import PolicyRoom
from stopline_controller.priority import PriorityBook
from stopline_controller.priority_desk import InputLimits, PriorityDesk
from stopline_controller.refusals import RefusalLog
from stopline_controller.runtime import JunctionRuntime
from stopline_controller.site import JunctionSite, Site
from stopline_controller.site_tables import DetectorsTable
from stopline_controller.snapshots import Hub
from stopline_controller.statistics import Statistics
from stopline_signals.priority import PrioritySettings, TransitSettings

IDLE_INTERVAL_S = 5.0
"""How often commands are refreshed at a site without a policy, seconds."""
PLANS_PER_TTL = 3
"""A plan outlives this many decision intervals, so one lost decision does not end remote control."""


@dataclass(frozen=True, slots=True)
class Controller:
    """The parts that the services and the main program need."""

    site: Site
    clock: Clock
    controls: dict[str, JunctionControl]
    loop: ControlLoop
    hub: Hub
    statistics: Statistics
    alarms: Alarms
    audit: AuditLog
    overrides: OverrideBook
    priority: PriorityBook
    reports: PriorityDesk
    refusals: RefusalLog
    desk: Desk
    policies: PolicyRoom
    decider: Decider
    events: EventLog
    housekeeping: Housekeeping

    def close(self) -> None:
        """Write what is left and close the logs."""
        self.events.close()
        self.audit.close()


def assemble(site: Site) -> Controller:
    """Build a controller; opens the audit log, reaches for no cabinet yet."""
    tables = site.tables
    clock = Clock(tables.controller.clock_rate)
    plans = [junction.plan for junction in site.junctions]
    alarms, audit = Alarms(), AuditLog(site.state_dir / "audit.sqlite")
    policies = open_policies(site, clock, audit, alarms)
    interval = policies.facts.decision_interval if policies.facts else IDLE_INTERVAL_S
    arbiter = Arbiter(tables.control.stack)
    # Junctions of one slot decide in different ticks, whatever the interval.
    slots = slots_for(len(plans))
    controls = {
        junction.plan.junction: JunctionControl(
            junction.plan,
            arbiter,
            round(interval * 10),
            phase=index // slots,
            preempts=junction.preempts,
            rate=tables.controller.clock_rate,
        )
        for index, junction in enumerate(site.junctions)
    }
    hub, statistics = Hub(), Statistics()
    runtimes = [
        _runtime(site, junction, controls[junction.plan.junction], clock, interval, statistics)
        for junction in site.junctions
    ]
    events = EventLog(
        site.state_dir / "events.sqlite",
        {plan.junction: plan for plan in plans},
        tables.logs.keep_events,
        alarms,
    )
    hub.listen(events.note, news_only=True)
    hub.listen(policies.ruled)
    hub.listen(policies.note, news_only=True)
    policies.on_pace(pacer(runtimes, lambda seconds: _ttl(site, seconds)))
    tokens = TokenFloor(site.state_dir / "fencing.txt", audit.last)
    overrides = OverrideBook(LeaseBook(clock, tables.overrides.max_lease_s, tokens.first))
    priority = PriorityBook(clock, {plan.junction: plan for plan in plans}, _priority_settings(site))
    reports, refusals = (
        PriorityDesk(priority, audit, clock, controls, _input_limits(site), approaches=site.approaches),
        RefusalLog(audit, clock, "call-refused"),
    )
    loop = ControlLoop(
        clock,
        runtimes,
        policy=policies,
        overrides=overrides,
        priority=priority,
        audit=audit,
        hub=hub,
        statistics=statistics,
        alarms=alarms,
    )
    decider = Decider(policies.bundle, controls, hub)
    return Controller(
        site=site,
        clock=clock,
        controls=controls,
        loop=loop,
        hub=hub,
        statistics=statistics,
        alarms=alarms,
        audit=audit,
        overrides=overrides,
        priority=priority,
        reports=reports,
        refusals=refusals,
        desk=Desk(clock, arbiter, controls, overrides, audit, hub, tables.overrides.confirm_within_s),
        policies=policies,
        decider=decider,
        events=events,
        housekeeping=Housekeeping(
            clock,
            audit,
            events,
            alarms,
            junctions=tuple(controls),
            keep_records=tables.logs.keep_records,
            chores=(policies.tidy, tokens.keep),
            in_loop=(
                lambda: decider.use(policies.bundle),
                reports.sweep,
                reports.refusals.settle,
                refusals.settle,
            ),
        ),
    )


def lessee_of(site: Site) -> Lessee:
    """This controller's lease identity: the same after a restart, another one on another machine or site."""
    name = site.tables.controller.name
    identity = f"{socket.gethostname()}:{site.path.resolve()}:{name}"
    # In the state directory a lease outlives this process; a temporary one may be new after every start.
    return Lessee(zlib.crc32(identity.encode()) or 1, name, site.state_dir.resolve() / "leases")


def _runtime(
    site: Site,
    junction: JunctionSite,
    control: JunctionControl,
    clock: Clock,
    interval: float,
    statistics: Statistics,
) -> JunctionRuntime:
    settings = site.tables.control
    cabinet = junction.driver.build(junction.plan, junction.options, lessee_of(site), clock)
    ttl = _ttl(site, interval)
    link = CabinetLink(
        cabinet, junction.plan, clock, heartbeat=settings.heartbeat_s, ttl=ttl, statistics=statistics
    )
    return JunctionRuntime(
        control,
        link,
        clock,
        min_coverage=site.tables.policy.min_coverage,
        restart_delay=settings.restart_delay_s,
        watch=DetectorWatch(junction.plan, _health_limits(site.tables.detectors)),
    )


def _health_limits(table: DetectorsTable) -> HealthLimits:
    return HealthLimits(
        no_activity=round(table.no_activity_min * MINUTE),
        max_presence=round(table.max_presence_min * MINUTE),
        erratic=table.erratic_per_min,
    )


def _ttl(site: Site, interval: float) -> float:
    """Seconds a plan holds at a cabinet."""
    return site.tables.control.plan_ttl_s or PLANS_PER_TTL * interval


def _input_limits(site: Site) -> InputLimits:
    table = site.tables.priority
    return InputLimits(table.max_report_age_s, table.reports_per_s, table.report_timeout_s)


def _priority_settings(site: Site) -> PrioritySettings:
    table = site.tables.priority
    return PrioritySettings(
        report_timeout=table.report_timeout_s,
        margin=table.margin_s,
        max_presence=table.max_presence_s,
        recovery=table.recovery,
        transit=TransitSettings(
            late=table.transit_late_s,
            extension=table.transit_extension_s,
            early=table.transit_early_s,
            kept=table.transit_kept_s,
            cooldown=table.transit_cooldown_s,
        ),
    )
