"""Anything may come in at a UDP port: every decoder answers with its own error or a value, and quickly.

The suite runs a sample; with `--hypothesis-profile prove` it is a million frames for each decoder.
"""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import settings

from stopline_cabinets.ntcip import spat
from stopline_cabinets.ntcip.groups import Lamps
from stopline_cabinets.snmp.codec import (
    DecodeError,
    Message,
    Pdu,
    Tag,
    VarBind,
    decode,
    encode,
    integer,
    null,
    octets,
)

FRAMES = 200 * settings().max_examples
"""20,000 in the suite, 1,000,000 in the proof."""
SLOWEST_S = 0.25
"""For one frame, on a machine with other work: a decoder that loops takes for ever."""


def snmp_seeds() -> list[bytes]:
    base = (1, 3, 6, 1, 4, 1, 1206, 4, 2, 1, 1, 4, 1)
    bindings = (
        integer((*base, 2, 1), 34),
        integer((*base, 3, 1), -70_000),
        octets((1, 3, 6, 1, 2, 1, 1, 1, 0), b"Controller " * 20),
        VarBind((1, 3, 6, 1, 2, 1, 1, 3, 0), Tag.TIME_TICKS, 2**32 - 1),
        VarBind((2, 999, 2**32 - 1), Tag.COUNTER64, 2**64 - 1),
        VarBind((1, 3, 6), Tag.OID, base),
        VarBind((1, 3, 6), Tag.NO_SUCH_OBJECT, None),
        VarBind((1, 3, 6), Tag.IP_ADDRESS, b"\x7f\x00\x00\x01"),
        null(base),
    )
    return [
        encode(Message(version, b"administrator", pdu, 0x7FFFFFFF, 2, 1, bindings[:count]))
        for version in (0, 1)
        for pdu in Pdu
        for count in (0, 1, 3, len(bindings))
    ]


def spat_seeds() -> list[bytes]:
    lamps = Lamps(reds=0xDD, greens=0x22, ons=0x22)
    return [spat.encode(spat.Spat(lamps, ped_calls=calls, time=86_399_999)) for calls in (None, 3)]


def mutated(seed: bytes, dice: random.Random) -> bytes:
    frame = bytearray(seed)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(frame) or 1)
        match dice.randrange(6):
            case 0 if frame:
                frame[at] = dice.getrandbits(8)
            case 1 if frame:
                frame[at] ^= 1 << dice.randrange(8)
            case 2:
                del frame[at:]
            case 3:
                frame[at:at] = dice.randbytes(dice.randint(1, 8))
            case 4:
                del frame[at : at + dice.randint(1, 8)]
            case _:
                end = at + dice.randint(1, 40)
                frame[at:at] = frame[at:end]
    return bytes(frame)


@pytest.mark.timeout(1800)
def test_the_snmp_decoder_survives_any_frame() -> None:
    dice, seeds = random.Random(1), snmp_seeds()
    understood = 0
    for number in range(FRAMES):
        frame = mutated(dice.choice(seeds), dice) if number % 8 else dice.randbytes(dice.randrange(600))
        began = time.perf_counter()
        try:
            message = decode(frame)
        except DecodeError:
            continue
        finally:
            assert time.perf_counter() - began < SLOWEST_S, frame.hex()
        understood += 1
        again = decode(encode(message))
        assert again == message, frame.hex()
    assert understood > FRAMES // 100, "the mutations are so wild that nothing is tested"


@pytest.mark.timeout(1800)
def test_the_signal_state_decoder_survives_any_frame() -> None:
    dice, seeds = random.Random(2), spat_seeds()
    understood = 0
    for number in range(FRAMES):
        frame = bytearray(dice.choice(seeds)) if number % 8 else bytearray(dice.randbytes(241))
        if number % 3:
            for _ in range(dice.randint(1, 9)):
                frame[dice.randrange(len(frame))] = dice.getrandbits(8)
        else:
            frame = bytearray(mutated(bytes(frame), dice))
        try:
            spat.decode(bytes(frame))
        except spat.SpatError:
            continue
        understood += 1
    assert understood > FRAMES // 100, "the mutations are so wild that nothing is tested"
