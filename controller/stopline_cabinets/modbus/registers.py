"""The Modbus register map 0x0102 as data: addresses exist here and nowhere else.

32-bit values take two registers, high word first; the map version in the first register of each block
shows a device that swaps bytes. Times are 0.1 s unless the row says otherwise. docs/modbus_map.md is
generated from these rows (`python -m stopline_cabinets.modbus.document`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAP_VERSION = 0x0102
MAX_GROUPS = 32
MAX_STAGES = 32
MAX_ROWS = 16
MAX_DETECTORS = 64
ROW_WIDTH = 4
LABEL_REGISTERS = 8
NONE16 = 0xFFFF
"""No stage; a detector that failed; two groups that do not conflict."""

FLAG_DEMAND = 1
"""Plan flag: the row after the last one in use holds masks of groups, not a stage."""


class Block(StrEnum):
    """A run of registers written or read in one request."""

    PLAN = "plan"
    LEASE = "lease"
    STATE = "state"
    CONFIG = "config"
    INPUTS = "inputs"


@dataclass(frozen=True, slots=True)
class Register:
    """One row of the map: `count` items of `width` registers (bits in the inputs block) from `address` on."""

    block: Block
    name: str
    address: int
    width: int
    count: int
    meaning: str

    @property
    def end(self) -> int:
        """First address after this row."""
        return self.address + self.width * self.count


def _rows(block: Block, *rows: tuple[int, str, int, int, str]) -> tuple[Register, ...]:
    return tuple(
        Register(block, name, address, width, count, text) for address, name, width, count, text in rows
    )


PLAN = _rows(
    Block.PLAN,
    (0, "map_version", 1, 1, "0x0102; anything else is refused (result 8)"),
    (
        1,
        "seq",
        1,
        1,
        "plan number, 16 bit, wraps past 0; must be ahead of the last accepted one by less than 0x8000",
    ),
    (
        2,
        "kind",
        1,
        1,
        "1 = rows name stages, 2 = all red, 3 = flash, 4 = a pattern, 5 = a preempt of the cabinet's own",
    ),
    (3, "row_count", 1, 1, "rows in use: 1..16 for kind 1 (1..15 with flags bit 0), else 0; the rest are 0"),
    (4, "valid_from", 1, 1, "offset from receipt after which the plan takes effect"),
    (
        5,
        "ttl",
        1,
        1,
        "life of the plan from then on, on the cabinet's monotonic clock; then the local plan runs",
    ),
    (
        6,
        "flags",
        1,
        1,
        "bit 0: the row after the last one in use holds two masks of groups instead of a stage: to call "
        "(first two registers) and to omit, not both empty; the other bits are 0",
    ),
    (
        7,
        "pattern",
        1,
        1,
        "for kind 4: 0 = what the cabinet would run by itself, 1 = its fixed program, 254 = actuated; "
        "for kind 5: number of the preempt, from 1; else 0",
    ),
    (8, "owner", 2, 1, "lease owner id of the writer"),
    (
        10,
        "rows",
        ROW_WIDTH,
        MAX_ROWS,
        "stage mask (2 registers, exactly one bit: bit s = stage s), minimum, maximum",
    ),
    (74, "crc", 2, 1, "CRC-32 (IEEE 802.3) over registers 1..73, each as two bytes, high byte first"),
    (76, "commit", 1, 1, "equal to seq"),
)

LEASE = _rows(
    Block.LEASE,
    (
        100,
        "owner",
        2,
        1,
        "id of the controller, not 0; refused with exception 6 while another one's lease lives",
    ),
    (102, "heartbeat", 1, 1, "counter; every write must change it, at least twice a second"),
    (103, "limit", 1, 1, "longest silence before the cabinet goes to its local plan, 10..100"),
    (104, "mode", 1, 1, "1 = take or keep the lease, 0 = give it back and run the local plan"),
    (
        105,
        "label",
        1,
        LABEL_REGISTERS,
        "name of the controller, ASCII, two characters a register, padded with 0",
    ),
)

STATE = _rows(
    Block.STATE,
    (0, "map_version", 1, 1, "0x0102"),
    (1, "state_seq", 1, 1, "changes with every update"),
    (
        2,
        "mode",
        1,
        1,
        "who decides: 0 start-up, 1 local, 2 remote (flash or a preempt that a plan asked for included), "
        "3 manual, 4 preempt by the cabinet's own input, 5 flash",
    ),
    (3, "flags", 1, 1, "the first 16 discrete inputs, input 0 in bit 0"),
    (4, "faults", 2, 1, "fault bits: 0 monitor tripped, 1 detector failed, 2 heartbeat lost, 3 plan expired"),
    (6, "active_seq", 1, 1, "plan in force, 0 = none"),
    (7, "staged_seq", 1, 1, "plan accepted and waiting for its valid_from, 0 = none"),
    (8, "judged_seq", 1, 1, "seq of the last plan written"),
    (9, "result", 1, 1, "what became of it: the result codes below"),
    (10, "active_crc", 2, 1, "CRC of the plan in force"),
    (12, "judged_crc", 2, 1, "CRC of the last plan written, as the cabinet computed it"),
    (14, "stage", 1, 1, "stage in force or being entered; one past the last stage is all red"),
    (15, "target", 1, 1, "stage asked for and not yet taken up, else the same"),
    (16, "settled_in", 1, 1, "time until the stage is in force, 0 = it is"),
    (17, "stage_elapsed", 1, 1, "time the stage has been in force"),
    (18, "row", 1, 1, "row of the plan in force, from 0"),
    (19, "ttl_remaining", 1, 1, "life left to the plan in force"),
    (20, "green", 2, 1, "mask of groups showing green or walk; bit g = group g"),
    (22, "permissive", 2, 1, "mask of groups showing green that give way"),
    (24, "yellow", 2, 1, "mask of groups showing yellow or pedestrian clearance"),
    (26, "red", 2, 1, "mask of groups showing red or don't walk; a group in no mask is dark or flashes"),
    (28, "calls", 2, 1, "mask of groups with demand"),
    (30, "legal", 2, 1, "mask of stages the cabinet would take up at once"),
    (32, "heartbeat", 1, 1, "last heartbeat counter received"),
    (33, "heartbeat_age", 1, 1, "time since then"),
    (34, "heartbeat_limit", 1, 1, "limit in force"),
    (35, "owner", 2, 1, "id of the lease owner, 0 = nobody"),
    (37, "time", 2, 1, "cabinet's monotonic time; a clock change does not move it"),
    (39, "epoch", 2, 1, "wall clock, s since 1970 UTC, for information only"),
    (41, "group_count", 1, 1, "signal groups in use"),
    (42, "stage_count", 1, 1, "stages in use"),
    (43, "detector_count", 1, 1, "detectors in use"),
    (44, "plan_digest", 2, 1, "first 32 bits of the SHA-256 of the signal plan the cabinet runs"),
    (46, "violations", 1, 1, "times the conflict monitor objected since power-up"),
    (47, "accepted_seq", 1, 1, "last plan accepted; the next one must follow it"),
    (48, "label", 1, LABEL_REGISTERS, "name of the lease owner, as in the lease block"),
    (
        56,
        "can",
        1,
        1,
        "what the cabinet takes beyond stages: bit 0 all red, 1 flash, 2 patterns, 3 groups to call, "
        "4 groups to omit, 5 preempts",
    ),
    (57, "omits", 2, 1, "mask of groups the plan in force omits"),
    (59, "pattern", 1, 1, "pattern the plan in force selects, 0 = the cabinet's own"),
    (
        60,
        "detectors",
        1,
        MAX_DETECTORS,
        "high byte: vehicles in the zone now (button: calls); low byte: of those, queued",
    ),
    (124, "state_seq_copy", 1, 1, "equal to state_seq, else the read was torn: read again"),
)

CONFIG = _rows(
    Block.CONFIG,
    (1000, "kind", 1, MAX_GROUPS, "per group: 0 vehicle, 1 pedestrian, 2 cyclist, 3 transit"),
    (1032, "minimum", 1, MAX_GROUPS, "per group: minimum green or walk"),
    (1064, "change", 1, MAX_GROUPS, "per group: yellow or pedestrian clearance"),
    (1096, "max_green", 1, MAX_GROUPS, "per group: maximum green"),
    (1128, "max_red", 1, MAX_GROUPS, "per group: longest red while called"),
    (1160, "red_revert", 1, 1, "least red before the same group is green again"),
    (1161, "startup_red", 1, 1, "all red after start-up"),
    (1162, "reserved", 1, 6, "0"),
    (1168, "protected", 2, MAX_STAGES, "per stage: mask of its groups"),
    (1232, "permissive", 2, MAX_STAGES, "per stage: mask of its groups that give way"),
    (
        1296,
        "intergreen",
        1,
        MAX_GROUPS * MAX_GROUPS,
        "end of green of group i to green of j, at 1296 + 32 i + j",
    ),
)

INPUTS = _rows(
    Block.INPUTS,
    (0, "monitor_ok", 1, 1, "conflict monitor content (1 = yes, so a dead wire reads as a fault)"),
    (1, "door_open", 1, 1, "cabinet door open"),
    (2, "flash", 1, 1, "lamps flash"),
    (3, "manual", 1, 1, "panel in use"),
    (4, "preempt", 1, 1, "a preemption runs"),
    (5, "power_ok", 1, 1, "mains present (1 = yes)"),
    (6, "stop_time", 1, 1, "timing stopped"),
    (7, "in_transition", 1, 1, "a stage is being entered"),
    (8, "remote_active", 1, 1, "a plan of the lease owner is in force"),
    (9, "reserved", 1, 7, "0"),
    (16, "occupied", 1, MAX_DETECTORS, "per detector: somebody is in the zone, or the button was pressed"),
    (80, "called", 1, MAX_GROUPS, "per group: demand"),
)

BLOCKS: dict[Block, tuple[Register, ...]] = {
    Block.PLAN: PLAN,
    Block.LEASE: LEASE,
    Block.STATE: STATE,
    Block.CONFIG: CONFIG,
    Block.INPUTS: INPUTS,
}


def addresses(block: Block) -> dict[str, int]:
    """Offset of each field from the start of its block."""
    start = BLOCKS[block][0].address
    return {row.name: row.address - start for row in BLOCKS[block]}


def start_of(block: Block) -> int:
    """First address of a block."""
    return BLOCKS[block][0].address


def length_of(block: Block) -> int:
    """Registers (or bits) in a block."""
    return BLOCKS[block][-1].end - BLOCKS[block][0].address


PLAN_LENGTH = length_of(Block.PLAN)
STATE_LENGTH = length_of(Block.STATE)
LEASE_START = start_of(Block.LEASE)
LEASE_LENGTH = length_of(Block.LEASE)
BEAT_LENGTH = 3
"""A heartbeat writes only the first registers of the lease block: owner and counter."""
CONFIG_START = start_of(Block.CONFIG)
CONFIG_LENGTH = length_of(Block.CONFIG)
INPUTS_LENGTH = length_of(Block.INPUTS)
