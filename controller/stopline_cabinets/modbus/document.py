"""Writes the register map down: `python -m stopline_cabinets.modbus.document > docs/modbus_map.md`."""

from __future__ import annotations

from collections.abc import Sequence

from stopline_cabinets.modbus.registers import (
    BEAT_LENGTH,
    CONFIG,
    INPUTS,
    LEASE,
    LEASE_LENGTH,
    LEASE_START,
    PLAN,
    PLAN_LENGTH,
    STATE,
    STATE_LENGTH,
    Register,
)
from stopline_cabinets.words import Result

_RESULTS = {
    Result.NONE: "nothing written yet",
    Result.ACCEPTED: "accepted",
    Result.COMMIT_MISMATCH: "commit differs from seq",
    Result.BAD_CRC: "CRC does not match",
    Result.STALE_SEQUENCE: "seq is not ahead of the last accepted one",
    Result.UNSAFE_TIMING: "a minimum below the cabinet's own, a maximum below its minimum, or over 3600 s",
    Result.UNKNOWN_STAGE: "a mask that does not name exactly one stage of the cabinet",
    Result.NOT_OWNER: "owner is not the lease owner, or the lease ran out",
    Result.WRONG_MAP: "map version",
    Result.NOT_REMOTE: "the cabinet is starting up, on manual, on preempt or on flash",
    Result.BAD_FIELD: "kind, row count, flags, pattern, groups, ttl (0 or over 300 s), "
    "valid_from (over 600 s) or seq 0",
    Result.UNABLE: "the cabinet cannot do this: see `can` in the state block",
}


def document() -> str:
    """The map as Markdown."""
    parts = [
        _INTRODUCTION,
        f"## Plan block: holding registers, all {PLAN_LENGTH} in one FC16 at address 0",
        _PLAN_NOTES,
        _table(PLAN),
        f"## Lease block: holding registers, FC16 at address {LEASE_START}",
        _LEASE_NOTES,
        _table(LEASE),
        f"## State block: input registers, all {STATE_LENGTH} in one FC4 at address 0",
        _STATE_NOTES,
        _table(STATE),
        "### Result codes",
        _results(),
        "## Configuration block: input registers, read-only",
        _CONFIG_NOTES,
        _table(CONFIG),
        "## Discrete inputs",
        _INPUT_NOTES,
        _table(INPUTS, "input"),
    ]
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Register], unit: str = "register") -> str:
    lines = [f"| {unit} | name | meaning |", "|---|---|---|"]
    for row in rows:
        span = f"{row.address}" if row.end - row.address == 1 else f"{row.address}–{row.end - 1}"
        size = f" ({row.count} × {row.width})" if row.count > 1 and row.width > 1 else ""
        lines.append(f"| {span} | {row.name}{size} | {row.meaning} |")
    return "\n".join(lines)


def _results() -> str:
    lines = ["| code | meaning |", "|---|---|"]
    lines += [f"| {int(result)} | {text} |" for result, text in _RESULTS.items()]
    return "\n".join(lines)


_INTRODUCTION = """\
# Modbus register map 0x0102

<!-- Generated: python -m stopline_cabinets.modbus.document > docs/modbus_map.md -->

No standard map for traffic signals exists, so this one is ours, free for any cabinet to implement.
The controller asks for stages; the cabinet decides, and keeps minimum greens, yellow, red and
pedestrian clearances and its conflict monitor to itself: those can be read here and never written.
A PLC that implements this map must do the checks and deadlines it describes.

Addresses count from 0. Registers are big endian; 32-bit values take two, high word first. Times are
in 0.1 s unless the row says otherwise. A device that answers 0x0201 where 0x0102 is due has its
bytes swapped. Everything a controller says ends by itself: a plan with its ttl, a lease with the
heartbeat."""

_PLAN_NOTES = """\
A write of anything but the whole block is refused with exception 2. A plan the cabinet does not
take is answered with exception 3, stored nowhere (the block reads back as the last accepted plan),
and `result` says why. The same plan written again (same seq, same CRC) is accepted and changes
nothing. After a timeout the outcome is unknown: read `judged_seq`, `result` and `judged_crc` before
writing again.

The rows run in order. A row's stage is requested at once and entered as soon as the cabinet's own
minimums let it; once it was in force for its maximum the next row is requested. The last row holds
until the plan ends. A later plan replaces an earlier one. `minimum` may not be below the longest
minimum green or walk of the stage's groups.

All red and flash are entered over the cabinet's own transitions, no clearance cut; flash is left over
its start-up. Under kind 4 the cabinet decides by itself, by the plan of its own that `pattern` names.
Under kind 5 the cabinet runs that preempt as if its input were on: entry over its own minimums and
clearances, dwell, and at the plan's end its own exit. A wired input of its own ends every plan. The panel's
manual control and flash, the monitor's included, outrank every preempt, a railway's too: who stands there
sees the street. A preempt called meanwhile waits and then begins anew, its track clearance first. A
railway's outranks everything else.
A group to call counts as one whose detector calls, until the plan ends or another one does not name
it. A group to omit has no demand and no stage with it is begun, unless a row names that stage."""

_LEASE_NOTES = f"""\
Take the lease by writing all {LEASE_LENGTH} registers with mode 1, give it back with mode 0, and
beat by writing the first {BEAT_LENGTH} (owner and counter) at least twice a second, from the
control loop itself, so that the beat stops when the loop does. A counter that does not move is
silence. After `limit` without a beat the lease is over: plans are dropped, the local plan runs, and
the lease must be taken anew. Exception 6: somebody else holds the lease, or it ran out; exception
3: limit or owner out of range."""

_STATE_NOTES = """\
One read gives one consistent picture, detectors included. If `state_seq` and `state_seq_copy`
differ, the PLC updated in between: read again. Detectors are counted in the signal plan's order;
0xFFFF marks one that failed."""

_CONFIG_NOTES = """\
What the cabinet keeps to itself, for a controller or an engineer to compare with their own. 0xFFFF
in the intergreen matrix: the two groups do not conflict."""

_INPUT_NOTES = """\
The first 16 are also `flags` of the state block; from 16 on each detector and each group's demand is a
bit, for clients that want no more. There are no coils, and writing one is refused with exception 1: a
single bit carries neither an owner nor a deadline. What coils are for elsewhere, holds, calls and omits,
is in the plan."""

if __name__ == "__main__":
    print(document(), end="")
