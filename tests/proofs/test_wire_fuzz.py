"""A sample of the wire fuzz: some thousand frames for every decoder; `make prove` does a million."""

from __future__ import annotations

import pytest

from tests.proofs.wire_fuzz import DECODERS, Row, fuzz


@pytest.mark.parametrize("row", DECODERS, ids=lambda row: row.name)
def test_no_frame_crashes_or_blocks_a_decoder(row: Row) -> None:
    tally = fuzz(row, 3000, seed=2)
    assert tally.findings == []
    assert tally.understood > 3, "the frames are so wild that nothing is tested"


def test_a_decoder_that_crashes_is_found() -> None:
    row = Row("broken", lambda: [b"\0" * 20], lambda: lambda frame: bool(frame[3]))
    assert any("IndexError" in finding for finding in fuzz(row, 2000).findings)
