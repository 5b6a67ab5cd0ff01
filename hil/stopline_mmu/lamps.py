"""What a lamp can show, as the conflict monitor sees it."""

from __future__ import annotations

from enum import IntEnum


class Lamp(IntEnum):
    """One channel's indication; the first four values are what a healthy signal shows.

    For a pedestrian channel GREEN is walk, YELLOW the pedestrian clearance, RED don't walk.
    """

    RED = 0
    YELLOW = 1
    PERMISSIVE = 2
    GREEN = 3
    RED_YELLOW = 4
    DARK = 5
    DUAL = 6
    FLASH = 7


LETTERS = {
    "r": Lamp.RED,
    "y": Lamp.YELLOW,
    "Y": Lamp.YELLOW,
    "g": Lamp.PERMISSIVE,
    "s": Lamp.PERMISSIVE,
    "G": Lamp.GREEN,
    "u": Lamp.RED_YELLOW,
    "o": Lamp.FLASH,
    "O": Lamp.DARK,
}


def lamps_from_letters(state: str) -> tuple[Lamp, ...]:
    """Lamps of a signal state written with one SUMO letter per channel.

    Raises:
        ValueError: the string holds a letter no signal shows.
    """
    try:
        return tuple(LETTERS[letter] for letter in state)
    except KeyError as error:
        known = "".join(LETTERS)
        raise ValueError(f"signal state {state!r}: letter {error} is none of {known!r}") from None
