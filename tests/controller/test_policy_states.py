"""What a version is after shadow, damage, a restart and a kill; and that control waits for no disk or model."""

from __future__ import annotations

from collections.abc import Iterator

from stopline_controller.queue_delay import Baseline, Usual, Window


def test_what_is_usual_can_be_kept_while_control_learns() -> None:
    baseline = Baseline()

    class Learning(Usual):
        """Lets a window of another junction and of another flow come in while it is copied."""

        def __iter__(self) -> Iterator[float]:
            baseline.learn("B", Window("local", 300.0, 60.0, 10))
            baseline.learn("A", Window("local", 300.0, 60.0, 90))
            return super().__iter__()

    baseline._usual["A"] = {0: Learning(2, 5.0, 1.0), 1: Usual(3, 6.0, 1.0)}
    assert baseline.table() == {"A": {"0": [2, 5.0, 1.0], "1": [3, 6.0, 1.0]}}
    assert set(baseline.table()) == {"A", "B"}
