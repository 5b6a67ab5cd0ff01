"""The cabinet seam: what the controller may ask of any cabinet, whatever wire it hangs on."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from stopline_cabinets.words import CabinetState, PlanCommand, Receipt


class Cabinet(Protocol):
    """One roadside cabinet. Stopline asks; the cabinet decides, and keeps all its own intervals.

    Every method raises CabinetError or a kind of it (`stopline_cabinets.errors`) and nothing else. One
    caller at a time; the control loop owns its cabinet.
    """

    @property
    def name(self) -> str:
        """How messages name this cabinet."""
        ...

    @property
    def next_seq(self) -> int:
        """The sequence number the next plan must carry; known after `connect`."""
        ...

    async def connect(self, *, lease: bool = True) -> CabinetState:
        """Reach the cabinet, check that it runs the expected signal plan, and take the lease if wanted.

        Raises WrongCabinet, or LeaseRefused naming the owner.
        """
        ...

    async def read(self) -> CabinetState:
        """The cabinet's state now, readings of all detectors included."""
        ...

    async def write(self, command: PlanCommand) -> Receipt:
        """Send a plan; returns once the cabinet took it, raises PlanRefused when it did not.

        A preempt is asked for in the same way (`preempts.py`). Sending the same plan twice is one plan.
        CabinetTimeout means the outcome stays unknown.
        """
        ...

    async def heartbeat(self) -> None:
        """Say that the control loop is alive; silence beyond the limit puts the cabinet on its local plan."""
        ...

    async def release(self) -> None:
        """Hand the cabinet back to its local plan and give up the lease."""
        ...

    async def close(self) -> None:
        """Drop the connection without handing back; the cabinet's own deadlines do the rest."""
        ...


@runtime_checkable
class AtHand(Protocol):
    """What a cabinet may offer besides: its state without waiting, because it is in memory or was pushed."""

    def at_hand(self) -> CabinetState:
        """The same as `Cabinet.read` between a `connect` and a `close`."""
        ...
