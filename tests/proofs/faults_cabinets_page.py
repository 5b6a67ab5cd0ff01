"""Write docs/faults_cabinets.md from the committed result, as a module of its own: no arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.proofs._table import RESULTS, ROOT

PAGE = ROOT / "docs" / "faults_cabinets.md"
RESULT = RESULTS / "cabinet-faults.json"

_HEAD = """# Faults of wires and cabinets

<!-- Generated: python -m tests.proofs.faults_cabinets_page -->

What becomes of a cabinet when something breaks between it and its controller, or at the cabinet itself. Every
case is a virtual cabinet with its own local plan, backup timer and conflict monitor behind a wire that can
fail, under `stopline serve` in its own process with the shipped policy and a small synthetic street. NTCIP
cabinets have a backup time of 15 s, Modbus cabinets a heartbeat limit of 3 s.

*State* is where the cabinet is when the fault has lasted its time, seen from inside it: `remote` means that
the controller's plans are in force, `local` its own plan, `foreign` only another system's wishes. *To safe*
is the longest time any command stayed in force without being renewed; at most the backup time, and half a
second for how finely it is looked at. *Recovery* is the time from the end of the fault until the controller's
plans are in force again; 0 when they never ceased. *Violations* are the conflict monitor's, *stuck* counts
commands in force beyond their time.

| fault | what happens | cabinet | state | to safe, s | recovery, s | violations | stuck | verdict |
|---|---|---|---|---|---|---|---|---|
"""

_TAIL = """
Beside each batch stand cabinets at which nothing fails, under the same controller; they must never lose
control. `stopline hil run faults` runs all of this on your machine and writes an HTML report with the lamps
of each case over time; a campaign of your own is a TOML file (`stopline hil run my.toml --check`), a further
fault a row of `stopline_hil/faults/table.py`.

## Reading the table

- **A cabinet that cannot be heard falls back by itself.** Nothing of ours has to work for that. NTCIP
  cabinets keep the last wish longer only because their backup time is longer.
- **Second writer.** A Modbus cabinet has one lease and refuses the other. NTCIP has one backup timer for all
  writers, so what another system writes keeps ours alive too: Stopline stands down, takes back what it had
  set, and waits until the other is gone.
- **Replay** is a row of Modbus only: its heartbeat is a counter. SNMP v1 and v2c have nothing against a
  recorded SET; use SNMPv3, or a network where nobody can record one.
- **Damaged frames.** Plans over Modbus carry a CRC of their own. SNMP v1 has only UDP's checksum; masks are
  read back after every plan.
- **Power loss, reboot, edited database, panel, flash, monitor, preempt.** Observed, never fought.

## Latency by hop

At the cabinets nothing failed at; wall-clock ms, cabinets and controller on one busy machine.

| hop | samples | p50 | p90 | p99 |
|---|---|---|---|---|
"""

_HARDWARE = """
## What only hardware can show

Real answer times of a controller's SNMP agent and of a PLC's scan; whether a vendor's force-off needs a
conflicting call; what a vendor does with masks during its own transitions; radios and serial gateways that
delay, merge and repeat frames their own way; lamp currents, load switches and the conflict monitor's own
wiring; power that browns out instead of going off; and people at the cabinet. `stopline hil conformance
ADDRESS` runs the same requirements at real hardware.
"""


def page(result: Mapping[str, Any]) -> str:
    """The whole page."""
    rows = "".join(f"| {' | '.join(_cells(case))} |\n" for case in _cases(result))
    hops = "".join(
        f"| {name} | {row['count']} | {row['p50']:.0f} | {row['p90']:.0f} | {row['p99']:.0f} |\n"
        for name, row in result["hops_ms"].items()
        if row["count"]
    )
    made = (
        f"\nMade by `{result['command']}` in {result['wall_seconds']:.0f} s on {result['cores']} shared "
        f"cores, cabinets' clocks at {result['rate']:g} times the speed ({result['date']}, commit "
        f"{result['commit'][:12]}); part of `make prove`, and six faults at each protocol run with every "
        "change.\n"
    )
    return _HEAD + rows + made + _TAIL + hops + _HARDWARE


def _cases(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (case for case in result["cases"] if case["name"] != "bystander")


def _cells(case: Mapping[str, Any]) -> list[str]:
    recovery = f"{case['recovery_s']:.1f}" if case["recovery_s"] >= 0 else "never"
    return [
        case["name"],
        case["what"],
        case["protocol"],
        case["state_reached"],
        f"{case['time_to_safe_s']:.1f} of {case['backup_s']:.0f}",
        recovery,
        str(case["violations"]),
        str(case["stuck"]),
        "pass" if case["passed"] else "**fail**",
    ]


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(RESULT.read_text(encoding="utf-8"))), encoding="utf-8")
