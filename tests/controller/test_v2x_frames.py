"""The bytes of signal requests and status: a foreign encoder's, there and back, cut short and damaged."""

from __future__ import annotations

import importlib
import random
from typing import Any

import pytest

from stopline_controller.v2x.frames import (
    LARGEST,
    SRM,
    Asked,
    FrameError,
    Told,
    framed,
    read_srm,
    write_ssm,
)

FOREIGN = bytes.fromhex(
    "001d311000605c0098c020008003d825e003d380247408910007b04bc007a60004303028001a6bbb1c9ad7882858201801ef8028"
)
"""What V2X-Hub's own encoder makes in its test EncodeSrm (usdot-fhwa-OPS/V2X-Hub, J2735MessageTest.cpp)."""


def test_what_a_foreign_encoder_wrote_is_read_as_it_was_meant() -> None:
    srm = read_srm(FOREIGN)
    assert srm.vehicle == ("entityID", bytes([1, 12, 12, 10]))
    assert (srm.millisecond, srm.minute, srm.sequence, srm.role) == (12, None, None, "basicVehicle")
    assert srm.latitude == pytest.approx(0.3712333) and srm.longitude == pytest.approx(0.8012332)
    assert srm.speed_mps == pytest.approx(0.2)
    first, second = srm.asked
    assert first == Asked((0, 1222), 1, "priorityRequestTypeReserved", ("lane", 1), None, 123, 1212)
    assert second == Asked((0, 2333), 2, "priorityRequest", ("approach", 1), None, 123, 1212)


def test_a_status_is_read_back_as_it_was_written() -> None:
    asked = (
        Asked((7, 1222), 1, "priorityRequest", ("lane", 1), ("connection", 9), 123, 1212),
        Asked((7, 1222), 2, "priorityRequest", ("approach", 3)),
        Asked((0, 65_535), 255, "priorityRequest", ("connection", 255)),
    )
    statuses = ("granted", "rejected", "reserviceLocked")
    told = [
        Told(item, ("stationID", 4_294_967_295), 127, status, "fire")
        for item, status in zip(asked, statuses, strict=True)
    ]
    frame = write_ssm(527_039, 60_999, 3, told)
    assert frame[:3] == bytes([0, 30, len(frame) - 3])
    ssm = _decoded(frame[3:])
    assert (ssm["timeStamp"], ssm["second"], ssm["sequenceNumber"]) == (527_039, 60_999, 3)
    assert [status["id"] for status in ssm["status"]] == [{"region": 7, "id": 1222}, {"id": 65_535}]
    packages = [package for status in ssm["status"] for package in status["sigStatus"]]
    assert [package["status"] for package in packages] == list(statuses)
    assert [package["inboundOn"] for package in packages] == [item.inbound for item in asked]
    assert [package["requester"]["request"] for package in packages] == [1, 2, 255]
    assert packages[0]["outboundOn"] == ("connection", 9) and "minute" not in packages[1]


@pytest.mark.parametrize(
    "frame, words",
    [
        (b"", "0 bytes"),
        (FOREIGN[:20], "says 49 bytes"),
        (FOREIGN + b"\x00", "says 49 bytes"),
        (b"\x00\x1e" + FOREIGN[2:], "message 30"),
        (framed(SRM, FOREIGN[3:20]), "no signal request"),
        (FOREIGN[:2] + b"\xc1" + FOREIGN[3:], "fragments"),
        (bytes(LARGEST + 1), "no frame"),
    ],
)
def test_what_is_no_whole_signal_request_is_refused_with_its_reason(frame: bytes, words: str) -> None:
    with pytest.raises(FrameError, match=words):
        read_srm(frame)


def test_a_long_frame_has_a_length_of_two_bytes() -> None:
    assert framed(SRM, bytes(127))[2:3] == b"\x7f" and framed(SRM, bytes(300))[2:4] == b"\x81\x2c"
    with pytest.raises(FrameError, match=r"no signal request|fragments"):
        read_srm(framed(SRM, b"\xff" * 300))


def test_nothing_but_a_frame_error_comes_of_thousands_of_damaged_frames() -> None:
    dice = random.Random(8)
    read = 0
    for _ in range(4_000):
        frame = bytearray(FOREIGN)
        for _ in range(dice.randint(1, 6)):
            frame[dice.randrange(3, len(frame))] ^= 1 << dice.randrange(8)
        if dice.random() < 0.3:
            frame = frame[: dice.randrange(4, len(frame))]
            frame[2] = len(frame) - 3
        try:
            srm = read_srm(bytes(frame))
        except FrameError:
            continue
        read += 1
        assert isinstance(srm.millisecond, int) and len(srm.asked) <= 32
    assert 500 < read < 3_900, "some are still messages, and some are not"


def _decoded(payload: bytes) -> dict[str, Any]:
    message: Any = importlib.import_module("pycrate_asn1dir.ITS_IS").DSRC.SignalStatusMessage
    message.from_uper(payload)
    value: dict[str, Any] = message.get_val()
    return value
