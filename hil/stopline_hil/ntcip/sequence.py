"""Which phases come next: rings between barriers, or the plan's stages in order where it has no rings."""

from __future__ import annotations

from typing import Protocol

from stopline_hil.ntcip.phases import Phases, mask, numbers_in

Order = tuple[tuple[tuple[int, ...], ...], ...]


class Sequence(Protocol):
    """Chooses a stage out of what is called and what may end."""

    def next_stage(self, stage: int, ready: int, calls: int, entry: int, omit: int) -> int | None:
        """The stage to go to (None: stay); all masks are phases.

        `ready` may end, `calls` are served nowhere now and not omitted, `entry` may come along uncalled.
        """
        ...


class StageSequence:
    """Stages in the plan's order; one is taken when all phases it lacks may end."""

    def __init__(self, phases: Phases) -> None:
        self._stages = phases.stages[: len(phases.given.stages)]

    def next_stage(self, stage: int, ready: int, calls: int, entry: int, omit: int) -> int | None:
        """See Sequence."""
        count = len(self._stages)
        shown = self._stages[stage] if stage < count else 0
        for step in range(1, count + 1):
            other = (stage + step) % count
            ending, starting = shown & ~self._stages[other], self._stages[other] & ~shown
            if starting & calls and not ending & ~ready and not starting & omit:
                return other
        return None


class RingSequence:
    """Dual ring: each ring runs through its phases, and all rings cross a barrier together.

    A ring backs up within its side only when nobody calls beyond the barrier.
    """

    def __init__(self, phases: Phases, order: Order) -> None:
        self._stages = phases.stages
        self._order = order
        self._sides = [mask(p for ring in order for p in ring[side]) for side in range(len(order[0]))]

    def next_stage(self, stage: int, ready: int, calls: int, entry: int, omit: int) -> int | None:
        """See Sequence."""
        shown = self._stages[stage]
        side = next((s for s, phases in enumerate(self._sides) if shown & phases), None)
        if side is None:
            return self._cross(-1, calls, entry, omit)
        within = self._within(side, shown, ready, calls)
        if within != shown:
            found = self._stage(within, within & ~shown, shown & ~ready, omit)
            if found is not None and found != stage:
                return found
        if not shown & ~ready:
            found = self._cross(side, calls, entry, omit)
            return None if found == stage else found
        return None

    def _within(self, side: int, shown: int, ready: int, calls: int) -> int:
        """Phases wanted next without crossing the barrier."""
        beyond = calls & ~self._sides[side]
        wanted = shown
        for ring in self._order:
            phases = ring[side]
            current = next((p for p in phases if shown >> p - 1 & 1), 0)
            if current and not ready >> current - 1 & 1:
                continue
            at = phases.index(current) + 1 if current else 0
            coming = phases[at:] if beyond else (*phases[at:], *phases[:at])
            following = next((p for p in coming if calls >> p - 1 & 1), 0)
            if following:
                wanted = wanted & ~mask((current,) if current else ()) | 1 << following - 1
        return wanted

    def _cross(self, side: int, calls: int, entry: int, omit: int) -> int | None:
        """The first side with a call, beginning behind this one and ending with it."""
        count = len(self._sides)
        for step in range(1, count + 1):
            other = (side + step) % count
            if not calls & self._sides[other]:
                continue
            chosen = 0
            for ring in self._order:
                first = next((p for p in ring[other] if calls >> p - 1 & 1), 0)
                chosen |= 1 << first - 1 if first else 0
            complete = self._fill(other, chosen, entry & ~omit)
            found = self._stage(complete, chosen, 0, omit)
            if found is not None:
                return found
        return None

    def _fill(self, side: int, chosen: int, entry: int) -> int:
        """Rings without a call come along with their dual-entry phase."""
        for ring in self._order:
            if not mask(ring[side]) & chosen:
                partner = next((p for p in reversed(ring[side]) if entry >> p - 1 & 1), 0)
                chosen |= 1 << partner - 1 if partner else 0
        return chosen

    def _stage(self, wanted: int, called: int, kept: int, omit: int) -> int | None:
        """The stage of these phases, else the one with most of what is called and all that must stay."""
        if wanted in self._stages[:-1]:
            return self._stages.index(wanted)
        fitting = [
            index
            for index, phases in enumerate(self._stages[:-1])
            if phases & called and not kept & ~phases and not phases & omit & ~kept
        ]
        if not fitting:
            return None

        def worth(index: int) -> tuple[int, int, int]:
            phases = self._stages[index]
            first = next(numbers_in(phases & called))
            return (phases & called).bit_count(), -(phases & ~wanted).bit_count(), -first

        return max(fitting, key=worth)
