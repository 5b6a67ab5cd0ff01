"""Ways in which a wire fails, whatever is spoken on it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from stopline_hil.faults.wire import Clean, Passage

Change = Callable[[bytes], bytes]
Picks = Callable[[bytes], bool]
Answers = Callable[[bytes], bytes | None]


class Lose(Clean):
    """Loses a share of the frames; 1 is a connection that stands and carries nothing (half open)."""

    def __init__(
        self, share: float, dice: random.Random, *, requests: bool = True, replies: bool = True
    ) -> None:
        self._share, self._dice = share, dice
        self._requests, self._replies = requests, replies

    def request(self, frame: bytes) -> Sequence[Passage]:
        """Perhaps."""
        return () if self._requests and self._dice.random() < self._share else (Passage(frame),)

    def reply(self, frame: bytes) -> Sequence[Passage]:
        """Perhaps."""
        return () if self._replies and self._dice.random() < self._share else (Passage(frame),)


class LoseNext(Clean):
    """Loses so many more requests and replies, then none."""

    def __init__(self, *, requests: int = 0, replies: int = 0) -> None:
        self._requests, self._replies = requests, replies

    def request(self, frame: bytes) -> Sequence[Passage]:
        """Not while some are to be lost."""
        self._requests -= 1
        return () if self._requests >= 0 else (Passage(frame),)

    def reply(self, frame: bytes) -> Sequence[Passage]:
        """Not while some are to be lost."""
        self._replies -= 1
        return () if self._replies >= 0 else (Passage(frame),)


class Duplicate(Clean):
    """Delivers a share of the frames again, `after` seconds later."""

    def __init__(self, share: float, after: float, dice: random.Random) -> None:
        self._share, self._after, self._dice = share, after, dice

    def request(self, frame: bytes) -> Sequence[Passage]:
        """Once or twice."""
        twice = self._dice.random() < self._share
        return (Passage(frame), Passage(frame, self._after)) if twice else (Passage(frame),)

    def reply(self, frame: bytes) -> Sequence[Passage]:
        """Once or twice."""
        return self.request(frame)


class Reorder(Clean):
    """Holds a share of the frames back until the next one of their direction went ahead."""

    def __init__(self, share: float, dice: random.Random) -> None:
        self._share, self._dice = share, dice
        self._held: dict[bool, bytes | None] = {True: None, False: None}

    def request(self, frame: bytes) -> Sequence[Passage]:
        """Now, or after the next."""
        return self._pass(frame, True)

    def reply(self, frame: bytes) -> Sequence[Passage]:
        """Now, or after the next."""
        return self._pass(frame, False)

    def _pass(self, frame: bytes, up: bool) -> Sequence[Passage]:
        held, self._held[up] = self._held[up], None
        if held is not None:
            return (Passage(frame), Passage(held))
        if self._dice.random() < self._share:
            self._held[up] = frame
            return ()
        return (Passage(frame),)


class Delay(Clean):
    """Makes every frame late by between `low` and `high` seconds, each way."""

    def __init__(self, low: float, high: float, dice: random.Random) -> None:
        self._low, self._high, self._dice = low, high, dice

    def request(self, frame: bytes) -> Sequence[Passage]:
        """Later."""
        return (Passage(frame, self._dice.uniform(self._low, self._high)),)

    def reply(self, frame: bytes) -> Sequence[Passage]:
        """Later."""
        return self.request(frame)


class Rewrite(Clean):
    """Changes a share of the requests, of the replies, or of both."""

    def __init__(
        self, share: float, dice: random.Random, *, request: Change | None = None, reply: Change | None = None
    ) -> None:
        self._share, self._dice = share, dice
        self._request, self._reply = request, reply

    def request(self, frame: bytes) -> Sequence[Passage]:
        """Changed, perhaps."""
        return (Passage(self._changed(frame, self._request)),)

    def reply(self, frame: bytes) -> Sequence[Passage]:
        """Changed, perhaps."""
        return (Passage(self._changed(frame, self._reply)),)

    def _changed(self, frame: bytes, change: Change | None) -> bytes:
        return frame if change is None or self._dice.random() >= self._share else change(frame)


class Refuse(Clean):
    """Answers a share of the requests itself, as a device does that will not; the cabinet never sees them."""

    def __init__(self, answer: Answers, share: float, dice: random.Random) -> None:
        self._answer, self._share, self._dice = answer, share, dice

    def request(self, frame: bytes) -> Sequence[Passage]:
        """Answered here, or passed."""
        answer = self._answer(frame) if self._dice.random() < self._share else None
        return (Passage(frame),) if answer is None else (Passage(answer, back=True),)


class Drip(Clean):
    """Delivers replies byte by byte, `each` seconds apart: the device that is always about to answer."""

    def __init__(self, each: float) -> None:
        self._each = each

    def reply(self, frame: bytes) -> Sequence[Passage]:
        """A byte at a time."""
        return [Passage(frame[at : at + 1], self._each * (at + 1)) for at in range(len(frame))]


class Noise(Clean):
    """Throws a share of frames of random bytes in, both ways, beside the real ones."""

    def __init__(self, share: float, dice: random.Random) -> None:
        self._share, self._dice = share, dice

    def request(self, frame: bytes) -> Sequence[Passage]:
        """With company, perhaps."""
        return (*self._noise(), Passage(frame))

    def reply(self, frame: bytes) -> Sequence[Passage]:
        """With company, perhaps."""
        return (*self._noise(), Passage(frame))

    def _noise(self) -> Sequence[Passage]:
        if self._dice.random() >= self._share:
            return ()
        return (Passage(self._dice.randbytes(self._dice.randrange(1, 300))),)


class Replay(Clean):
    """Loses what is sent from now on and repeats the last write instead, whenever anything is sent."""

    def __init__(self, is_write: Picks, last: bytes | None) -> None:
        self._is_write, self._last = is_write, last

    def request(self, frame: bytes) -> Sequence[Passage]:
        """Reads pass; a write is the old one again."""
        if not self._is_write(frame):
            return (Passage(frame),)
        self._last = self._last or frame
        return (Passage(self._last),)
