"""Faults between a controller and a cabinet, as a library.

`FAULTS` holds one row for each; `TcpWire` and `UdpWire` are proxies whose `effect` says what becomes of each
frame, and can be used alone:

    async with TcpWire("127.0.0.1", cabinet.port, modbus_frame) as wire:
        wire.effect = Lose(0.2, random.Random(1))
        ...                                      # a driver that talks to wire.port
"""

from stopline_hil.faults.dialects import DIALECTS, modbus_frame
from stopline_hil.faults.table import FAULTS, Fault
from stopline_hil.faults.tcp import TcpWire
from stopline_hil.faults.udp import UdpWire
from stopline_hil.faults.wire import Clean, Effect, Passage, Wire

__all__ = [
    "DIALECTS",
    "FAULTS",
    "Clean",
    "Effect",
    "Fault",
    "Passage",
    "TcpWire",
    "UdpWire",
    "Wire",
    "modbus_frame",
]
