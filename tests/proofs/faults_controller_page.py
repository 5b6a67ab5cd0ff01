"""Write docs/faults_controller.md from the committed result, as a module of its own: no arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.proofs._table import PROOFS, ROOT

PAGE = ROOT / "docs" / "faults_controller.md"

_HEAD = """# Faults of the controller

What a controller and its cabinets do when something breaks on the controller's side. Each row is a
`stopline serve` process on two virtual Modbus cabinets, which have a local plan, a heartbeat limit of 3 s
(the default) and a conflict monitor each. *To safe* is the time from the fault until every cabinet is in the
state named; 0 means that it never left it. *Recovered* is the time from the end of the fault until everything
is as before. *Lost* counts the plans that a cabinet accepted and that have no record in the audit chain.

Faults of the wire and of the cabinet are another table: `stopline hil run --help`.

| fault | brought about by | state reached | to safe, s | recovered, s | violations | accepted plans | lost |
|---|---|---|---|---|---|---|---|
"""

_MEANING = """
Where control is lost the cabinets' own heartbeat limit ends it; nothing of ours has to work for that. Where
it is kept, no cabinet left remote control for a moment:

- **Disk full.** Records wait in memory (100,000 of them), the alarm *audit log cannot be written* stands in
  every state, and they are written in order when there is room. Beyond that number they are counted, and a
  record says how many are missing. A process that is killed meanwhile loses what waited: the only case in
  which a record can be lost without its number, and the alarm says so beforehand.
- **Disk full at the start.** The controller starts and controls, under the same alarm. Its records go on from
  the last one in the file; where the file cannot even be read they are numbered from 1, and numbered again
  behind the last one when it can: a record of the kind `renumbered` says by how much. High-resolution events
  wait as well (500,000 of them, then the oldest go and the log says how many).
- **Disk slow.** A record is committed into the page cache before its command is written, and waits for no
  disk: what has to wait, moving the write-ahead log into the database, is done away from control once the log
  is 4 MiB long. Where control leaves no pause in which the log can be cut, it grows to 64 MiB; then records
  wait in memory for as long as the disk takes, under the alarm.
- **Clock step.** Everything is timed by the monotonic clock: plans, heartbeats, leases, limits. The step is
  an audit record and a high-resolution event, because logs carry the wall clock.
- **Certificate.** Control needs none. Connections that are open go on until the client's own certificate
  ends: then every call is refused and every open stream, those of vehicle priority among them, ends with
  UNAUTHENTICATED, ten seconds later at the most where the wall clock was set meanwhile. A renewed file is
  taken up without a restart.
- **NaN policy, corrupt bundle.** A bundle is verified before it is kept and again before it is used. One
  whose scores are not finite keeps the stage in force, and after three failed decisions the version before
  decides.
- **Flood, slow readers.** Each caller has a rate, a number of streams and a size of request (`[limits]`);
  control has its own thread. A reader that does not read gets the newest state when it does.
- **Half-open connections.** A cabinet that is not reached falls back by itself. An operator who is gone keeps
  a junction until the lease ends, at most.
- **Two controllers.** A cabinet has one lease, and the second controller waits for it. Two processes on one
  state directory: the second one does not start.
"""


def page(result: Mapping[str, Any]) -> str:
    """The whole page."""
    rows = "".join(f"| {' | '.join(_cells(row))} |\n" for row in result["rows"])
    commit, _, changes = result["commit"].partition(" ")
    tree = f"commit {commit[:12]} {changes}".rstrip()
    made = (
        f"\nMade by `{result['command']}` in {result['wall_seconds']:.0f} s on {result['cores']} shared "
        f"cores ({result['date']}, {tree}); part of `make prove`, and the quick rows run with every change.\n"
    )
    return _HEAD + rows + made + _MEANING


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [
        row["fault"],
        row["how"],
        row["state"],
        f"{row['to_safe_s']:.1f}",
        f"{row['recovery_s']:.1f}",
        str(row["violations"]),
        str(row["plans_accepted"]),
        str(row["records_lost"]),
    ]


if __name__ == "__main__":
    proof = next(proof for proof in PROOFS if proof.name == "controller-faults")
    PAGE.write_text(page(json.loads(proof.path.read_text(encoding="utf-8"))), encoding="utf-8")
