"""Irregular junctions as data: arms at any angle, who turns where. Plan and monitor's card are read from it
apart from each other, in `irregular_plan` and `irregular_card`."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True, slots=True)
class Lane:
    """One signal group of vehicles: the arm it comes from and the arms it leads to."""

    name: str
    arm: int
    to: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Junction:
    """A junction with right-hand traffic.

    `arms` are whole multiples of five degrees, counter-clockwise, at least 30 apart; `lefts` are the arms
    with a left-turn signal of its own, `crossings` those that pedestrians cross; speeds in m/s per arm;
    `radius` (m) from the middle to the stop lines.
    """

    arms: tuple[int, ...]
    lefts: frozenset[int]
    crossings: tuple[int, ...]
    speeds: tuple[float, ...]
    radius: float

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The vehicle groups: per arm one, or one for the left turns and one for the rest."""
        lanes: list[Lane] = []
        for arm in range(len(self.arms)):
            others = [(arm + step) % len(self.arms) for step in range(1, len(self.arms))]
            left = [to for to in others if self.bend(arm, to) > 208]
            rest = [to for to in others if to not in left]
            if arm in self.lefts and left and rest:
                lanes += [Lane(f"{arm}", arm, tuple(rest)), Lane(f"{arm}L", arm, tuple(left))]
            else:
                lanes.append(Lane(f"{arm}", arm, tuple(others)))
        return tuple(lanes)

    def bend(self, arm: int, to: int) -> int:
        """Degrees counter-clockwise from one arm to another: small is a right turn, 180 straight on."""
        return (self.arms[to] - self.arms[arm]) % 360

    def walk_m(self, crossing: int) -> float:
        """Length of a crossing: two lanes, and more at a wide junction."""
        return 7.0 + self.radius / 4 + crossing % 3


@st.composite
def junctions(draw: st.DrawFn) -> Junction:
    """Three to six arms at any angle, any mix of left-turn signals, crossings and speeds."""
    count = draw(st.integers(3, 6))
    spare = 72 - 6 * count
    gaps = [draw(st.integers(0, spare // count)) for _ in range(count - 1)]
    arms = [0]
    for gap in gaps:
        arms.append(arms[-1] + 30 + 5 * gap)
    turned = draw(st.integers(0, 71)) * 5
    chosen = st.sets(st.integers(0, count - 1))
    return Junction(
        arms=tuple((arm + turned) % 360 for arm in arms),
        lefts=frozenset(draw(chosen)),
        crossings=tuple(sorted(draw(chosen))),
        speeds=tuple(draw(st.lists(st.sampled_from([8.3, 13.9, 19.4]), min_size=count, max_size=count))),
        radius=draw(st.sampled_from([10.0, 14.0, 22.0])),
    )


CROOKED = (
    Junction((0, 130, 230), frozenset({1}), (0, 2), (13.9, 13.9, 8.3), 10.0),
    Junction((0, 90, 180, 270), frozenset({0, 1, 2, 3}), (0, 1, 2, 3), (13.9, 19.4, 13.9, 19.4), 14.0),
    Junction((10, 70, 150, 200, 290), frozenset({0, 3}), (1, 4), (13.9, 8.3, 13.9, 13.9, 19.4), 14.0),
    Junction((0, 40, 110, 180, 240, 320), frozenset({2}), (0, 3, 5), (8.3,) * 6, 22.0),
)
"""Three, four, five and six arms."""
