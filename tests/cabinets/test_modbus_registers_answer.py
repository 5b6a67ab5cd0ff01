"""The quick decoding of registers agrees with the library's own, on good answers and on bad ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.exceptions import ModbusIOException
from pymodbus.pdu.register_message import ReadInputRegistersResponse

from stopline_cabinets.modbus.link import InputRegisters


def decoded(kind: type[ReadInputRegistersResponse], data: bytes) -> list[int] | str:
    answer = kind()
    try:
        answer.decode(data)
    except (ModbusIOException, IndexError):
        return "cut short"
    return list(answer.registers)


@given(st.lists(st.integers(0, 0xFFFF), max_size=125))
def test_registers_come_back_as_they_were_sent(registers: list[int]) -> None:
    data = bytes([2 * len(registers)]) + b"".join(value.to_bytes(2, "big") for value in registers)
    assert decoded(InputRegisters, data) == registers == decoded(ReadInputRegistersResponse, data)


@given(st.binary(max_size=260))
def test_any_bytes_are_answered_as_the_library_answers_them(data: bytes) -> None:
    assert decoded(InputRegisters, data) == decoded(ReadInputRegistersResponse, data)


def test_an_answer_cut_short_is_refused() -> None:
    with pytest.raises(ModbusIOException):
        InputRegisters().decode(b"\x04\x00\x01")
