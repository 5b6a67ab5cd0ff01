"""The comments of the interface name the limits that the server keeps, with the numbers it keeps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stopline_controller.desk import MOST_GROUPS
from stopline_controller.leases import REPLAY_WINDOW
from stopline_controller.overrides import KEYS_PER_LEASE
from stopline_controller.refusals import RECORDS
from stopline_controller.site_tables import LimitsTable, OverridesTable, PriorityTable
from stopline_controller.texts import LONGEST_NAME, LONGEST_REASON
from stopline_policy.bundle import MAX_FILE_BYTES
from stopline_signals.plausible import (
    FARTHEST_M,
    FASTEST_MPS,
    LATEST_S,
    LONGEST_ETA_S,
    LONGEST_INCIDENT,
    MOST_AHEAD,
    WORST_ACCURACY_M,
)

LIMITS, LEASES, PRIORITY = LimitsTable(), OverridesTable(), PriorityTable()
NAME = f"at most {LONGEST_NAME} characters"
GROUPS = f"at most {MOST_GROUPS}, by names of {NAME}"
TTL = f"above 0 and at most the site's limit, {LEASES.max_lease_s:g} unless"
CALLS = f"over {LIMITS.calls_per_s:g} calls a second of one caller ({2 * LIMITS.calls_per_s:g} at once)"
STREAMS = f"more than {LIMITS.streams} of its streams"
SIZE = f"over {LIMITS.request_kib} KiB"
WORDS = {5.0: "five seconds", 8.0: "eight seconds"}

SAID = [
    ("override", "AcquireLeaseRequest.operator", NAME),
    ("override", "AcquireLeaseRequest.ttl_s", TTL),
    ("override", "AcquireLeaseRequest.reason", f"at most {LONGEST_REASON} characters"),
    ("override", "AcquireLeaseRequest.groups", GROUPS),
    ("override", "RenewLeaseRequest.lease_id", NAME),
    ("override", "RenewLeaseRequest.ttl_s", TTL),
    ("override", "ReleaseLeaseRequest.lease_id", NAME),
    ("override", "OmitGroups.groups", GROUPS),
    ("override", "CallGroups.groups", GROUPS),
    ("override", "OverrideRequest.lease_id", NAME),
    ("override", "OverrideRequest.idempotency_key", NAME),
    ("override", "OverrideRequest.idempotency_key", f"at most {KEYS_PER_LEASE:,} keys under one lease"),
    ("override", "OverrideRequest.not_after_s", "not negative"),
    ("override", "OverrideRequest.sequence", f"{REPLAY_WINDOW} or more below"),
    (
        "override",
        "OverrideResponse.audit_sequence",
        f"{RECORDS.burst} at once and one in {WORDS[1 / RECORDS.per_s]}",
    ),
    ("override", "OverrideResponse.confirm_within_s", f"{LEASES.confirm_within_s:g} unless"),
    ("override", "ConfirmOverrideRequest.confirmation_id", NAME),
    ("override", "ConfirmOverrideRequest.operator", NAME),
    ("override", "OverrideService", CALLS),
    ("override", "OverrideService", SIZE),
    ("junction", "JunctionService", CALLS),
    ("junction", "JunctionService", STREAMS),
    ("audit", "AuditService", CALLS),
    ("audit", "AuditService", STREAMS),
    ("decision", "DecisionService", f"over {LIMITS.decisions_per_s:,.0f} decisions a second"),
    ("decision", "DecisionService", SIZE),
    ("decision", "DecisionService", STREAMS),
    ("policy", "PolicyService", CALLS),
    ("policy", "PolicyService.LoadPolicy", f"at most {MAX_FILE_BYTES // 2**20} MiB"),
    ("policy", "ShadowPolicyRequest.operator", NAME),
    ("policy", "ActivatePolicyRequest.operator", NAME),
    ("policy", "ActivatePolicyRequest.bundle_sha256", NAME),
    ("policy", "ActivatePolicyRequest.reason", f"at most {LONGEST_REASON} characters"),
    ("policy", "RollBackPolicyRequest.reason", f"at most {LONGEST_REASON} characters"),
    ("policy", "LoadPolicyRequest.chunk", f"{LIMITS.request_kib} KiB unless"),
    ("priority", "PriorityService", f"over {LIMITS.messages_per_s:,.0f} reports a second of one caller"),
    ("priority", "PriorityService", SIZE),
    ("priority", "PriorityService", STREAMS),
    ("priority", "PriorityService.Report", f"{WORDS[PRIORITY.report_timeout_s]} (unless"),
    ("priority", "ReportRequest.measured_at", f"{WORDS[PRIORITY.max_report_age_s]} unless"),
    ("priority", "UpcomingJunction.distance_m", f"0 to {FARTHEST_M:,.0f}"),
    ("priority", "UpcomingJunction.eta_s", f"at most {LONGEST_ETA_S:,.0f}"),
    ("priority", "VehiclePosition.accuracy_m", f"at most {WORST_ACCURACY_M:g}"),
    ("priority", "ReportRequest.vehicle_id", f"at most {LONGEST_NAME} characters"),
    ("priority", "ReportRequest.vehicle_id", f"{PRIORITY.reports_per_s:g} reports a second of one vehicle"),
    ("priority", "ReportRequest.speed_mps", f"0 to {FASTEST_MPS:g}"),
    ("priority", "ReportRequest.desired_speed_mps", f"at most {FASTEST_MPS:g}"),
    ("priority", "ReportRequest.upcoming", f"at most {MOST_AHEAD}"),
    ("priority", "ReportRequest.route", f"at most {MOST_AHEAD}"),
    ("priority", "ReportRequest.late_s", f"at most {LATEST_S:,.0f}"),
    ("priority", "ReportRequest.incident", f"at most {LONGEST_INCIDENT} characters"),
]


@pytest.mark.parametrize(("file", "name", "words"), SAID, ids=[f"{row[1]}: {row[2]}" for row in SAID])
def test_the_comment_says_the_limit(root: Path, file: str, name: str, words: str) -> None:
    text = (root / "proto" / "stopline" / "v1" / f"{file}.proto").read_text()
    assert words in comments(text)[name]


def comments(text: str) -> dict[str, str]:
    """Comments of a .proto file, a line each, by the message, field, service or method they stand above."""
    found: dict[str, str] = {}
    block, above = "", list[str]()
    for line in (line.strip() for line in text.splitlines()):
        opened = re.match(r"(?:message|service|enum) (\w+)", line)
        inner = re.match(r"rpc (\w+)\(|(?:repeated |optional )?[\w.]+ (\w+) = \d+;", line)
        if opened:
            block = opened[1]
            found[block] = " ".join(above)
        elif inner:
            found[f"{block}.{inner[1] or inner[2]}"] = " ".join(above)
        above = [*above, line.removeprefix("//").strip()] if line.startswith("//") else []
    return found
