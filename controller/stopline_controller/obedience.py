"""A cabinet does what it said it would, or is asked for nothing more: invariant (o) of the safety case."""

from __future__ import annotations

from stopline_cabinets.errors import CabinetDisobeys
from stopline_cabinets.words import DARK, CabinetState, Flag, Kind, Mode
from stopline_controller.sources import Order
from stopline_signals.commands import Discrepancy, ReadBack, ReadBackMemory
from stopline_signals.engine import KEEP, Engine, EngineState
from stopline_signals.plan import Aspect, SignalPlan

PATIENCE = 30
"""Tenths for which a cabinet may differ from what it accepted: its own ticks, and two trips over the wire."""
LOOKS = 10
"""Read-backs in a row that must differ as well: one after a standstill, or a damaged one, says nothing."""
NOT_OURS = int(Flag.FLASH | Flag.MANUAL | Flag.PREEMPT | Flag.STOP_TIME)
"""Inputs under which a cabinet does what it must, whatever it accepted."""
_REMOTE = Mode.REMOTE


class Obedience:
    """Holds what one cabinet shows against the last stage it accepted.

    Nothing is judged unless the cabinet itself says that it is under remote control, for nobody obeys while
    its panel, a railway or its local plan decides; nor for a stage that it says it cannot enter yet.
    """

    def __init__(self, engine: Engine, rate: float = 1.0) -> None:
        """`rate` is how many times faster than real time the cabinet's clock runs; a wire's delay is not."""
        self._watch = ReadBack(engine, round(PATIENCE * max(rate, 1.0)))
        self._plan = engine.plan
        self.forget()

    def forget(self) -> None:
        """Nothing is asked: after a release, a refusal or a restart."""
        self._asked = KEEP
        self._memory = ReadBackMemory()
        self._looks = 0
        self._fine: tuple[int, tuple[int, ...]] | None = None

    def accepted(self, order: Order) -> None:
        """The cabinet took this; only stages can be held against its lamps."""
        if order.kind is not Kind.STAGES or order.omits:
            self.forget()
        else:
            self._asked = order.stage

    def judge(self, seen: CabinetState, state: EngineState) -> None:
        """Take in a read-back and the state learnt from it; CabinetDisobeys when the two part for long."""
        if self._asked == KEEP or seen.mode is not _REMOTE or int(seen.flags) & NOT_OURS:
            self._memory, self._looks, self._fine = ReadBackMemory(), 0, None
            return
        settled = not state.in_transition and state.stage == self._asked
        if settled and self._fine == (self._asked, state.aspects):
            return  # the stage asked for with the lamps judged before
        could = seen.legal >> self._asked & 1
        memory, found = self._watch.see(self._memory, state, self._asked if could else KEEP)
        self._looks = 0 if memory == ReadBackMemory() else self._looks + 1
        if found is not None and self._looks >= LOOKS:
            raise CabinetDisobeys(
                f"junction {self._plan.junction}: {found} for {_lasted(memory, state):g} s (asked for stage "
                f"{self._asked}, shows stage {seen.stage}{self._details(found, state)})"
            )
        self._memory = memory
        self._fine = (self._asked, state.aspects) if settled and not self._looks else None

    def _details(self, found: Discrepancy, state: EngineState) -> str:
        """Which lamps differ, for who has to look at them."""
        if found is not Discrepancy.OTHER_LAMPS or not 0 <= state.stage < len(self._plan.stages):
            return ""
        lamps = [_lamp(self._plan, group, state) for group in self._watch.differing(state)]
        return f": {', '.join(lamps)}"


def _lamp(plan: SignalPlan, group: int, state: EngineState) -> str:
    due = Aspect(plan.stages[state.stage].aspect(group)).name.lower()
    shown = state.aspects[group]
    return (
        f"{plan.groups[group].name} is {'dark' if shown == DARK else Aspect(shown).name.lower()}, not {due}"
    )


def _lasted(memory: ReadBackMemory, state: EngineState) -> float:
    return max(state.now - since for since in memory if since >= 0) / 10
