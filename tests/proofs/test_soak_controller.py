"""A few seconds of the soak: its clients work, its judge judges."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.proofs.soak_controller import MOST_MIB_PER_HOUR, soak, trend, verdict


def test_the_soak_soaks(tmp_path: Path) -> None:
    figures = soak(tmp_path, 6)
    # Memory says nothing in so short a time; everything else has to hold.
    assert verdict({**figures, "mib_per_hour": 0.0}) == []
    assert figures["plans_accepted"] > 10 and figures["mib_most"] < 250


def test_a_line_through_the_floors_tells_a_rise_from_a_sawtooth() -> None:
    def rising(mib_per_hour: float) -> float:
        # A sample every five seconds of an hour; garbage piles up by 4 MiB and goes every seven minutes.
        samples = [(t, 100 + 4 * (t % 420) / 420 + mib_per_hour * t / 3600) for t in np.arange(0.0, 3600, 5)]
        return float(trend(samples, 3600)["mib_per_hour"])

    assert abs(rising(0.0)) < MOST_MIB_PER_HOUR
    assert rising(6.0) > 3 * MOST_MIB_PER_HOUR


def test_what_rises_or_is_lost_is_told() -> None:
    good = {
        "mib_per_hour": 0.2,
        "violations": 0,
        "records_lost": 0,
        "chain_intact": True,
        "done": {"take-overs": 5},
    }
    assert verdict(good) == []
    assert "12 MiB" in verdict({**good, "mib_per_hour": 12})[0]
    assert verdict({**good, "records_lost": 1}) and verdict({**good, "violations": 2})
    assert "take-overs" in verdict({**good, "done": {"take-overs": 0}})[0]
