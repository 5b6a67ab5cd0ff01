"""What a wire may do to a frame, and what every wire between controller and cabinet has in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

Tap = Callable[[bool, bytes], None]
"""Told of every frame as it is delivered: towards the cabinet or not, and its bytes."""


class Passage(NamedTuple):
    """One delivery: `delay` wall-clock seconds from now, `back` towards where the frame came from."""

    data: bytes
    delay: float = 0.0
    back: bool = False


class Effect(Protocol):
    """What becomes of each frame: nothing (an empty sequence), itself, others, later, or an answer."""

    def request(self, frame: bytes) -> Sequence[Passage]:
        """A frame on its way to the cabinet."""
        ...

    def reply(self, frame: bytes) -> Sequence[Passage]:
        """A frame on its way to the controller."""
        ...


class Clean:
    """Passes everything; the effect of a sound wire, and what other effects begin from."""

    def request(self, frame: bytes) -> Sequence[Passage]:
        """As it is."""
        return (Passage(frame),)

    def reply(self, frame: bytes) -> Sequence[Passage]:
        """As it is."""
        return (Passage(frame),)


class Wire(Protocol):
    """A proxy in front of one cabinet; `async with` opens and closes its port."""

    effect: Effect
    port: int
    requests: int
    taps: list[Tap]

    async def open(self) -> None:
        """Listen; `port` is then known."""
        ...

    async def close(self) -> None:
        """Stop listening and drop what is under way."""
        ...

    def cut(self) -> None:
        """Break every connection; a wire without connections forgets who talked to it."""
        ...

    async def refuse(self, on: bool) -> None:
        """Close the port, as a machine does whose server died, or open it again."""
        ...
