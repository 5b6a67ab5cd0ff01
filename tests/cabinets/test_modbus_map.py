"""The register map is sound, its document is what the rows say, and no clearance can be written."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from stopline_cabinets.modbus.document import document
from stopline_cabinets.modbus.registers import BLOCKS, LEASE, PLAN, STATE, Block, length_of
from stopline_cabinets.words import Flag, Result


@pytest.mark.parametrize("block", list(Block))
def test_rows_fill_their_block_without_overlap(block: Block) -> None:
    rows = BLOCKS[block]
    for row, after in pairwise(rows):
        assert row.end == after.address, (
            f"{row.name} ends at {row.end}, {after.name} starts at {after.address}"
        )
    assert len({row.name for row in rows if row.name != "reserved"}) == len(
        [r for r in rows if r.name != "reserved"]
    )


def test_blocks_fit_one_request() -> None:
    assert length_of(Block.PLAN) <= 123
    assert length_of(Block.LEASE) <= 123
    assert length_of(Block.STATE) <= 125


def test_no_clearance_can_be_written() -> None:
    for row in (*PLAN, *LEASE):
        for word in ("yellow", "clearance", "intergreen", "red"):
            assert word not in row.name


def test_flags_of_the_state_are_the_first_inputs() -> None:
    at = {row.name: row.address for row in BLOCKS[Block.INPUTS]}
    for flag in Flag:
        if flag:
            assert int(flag) == 1 << at[flag.name.lower()]  # type: ignore[union-attr]  # members have names


def test_every_result_is_documented() -> None:
    text = document()
    for result in Result:
        assert f"\n| {int(result)} | " in text


def test_the_document_is_current() -> None:
    path = Path(__file__).parents[2] / "docs" / "modbus_map.md"
    assert path.read_text(encoding="utf-8") == document(), (
        "docs/modbus_map.md is out of date: python -m stopline_cabinets.modbus.document > docs/modbus_map.md"
    )


def test_torn_reads_are_seen_at_both_ends() -> None:
    assert STATE[1].name == "state_seq"
    assert STATE[-1].name == "state_seq_copy"
