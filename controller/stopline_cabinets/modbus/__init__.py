"""Modbus TCP: the published register map 0x0102, its codec, and the driver that speaks it."""

from stopline_cabinets.modbus.driver import ModbusCabinet
from stopline_cabinets.modbus.link import Link, LinkState
from stopline_cabinets.modbus.tls import Credentials, tls_context

__all__ = ["Credentials", "Link", "LinkState", "ModbusCabinet", "tls_context"]
