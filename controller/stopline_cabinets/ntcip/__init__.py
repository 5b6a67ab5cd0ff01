"""NTCIP 1202 cabinets over SNMP: asked for phases under their own backup timer.

    cabinet = NtcipCabinet(lambda: dial(Address(host="10.0.3.7")), plan, address="10.0.3.7:161", owner=7)

docs/ntcip.md says what the cabinet needs. Derived from NTCIP 1202 and NTCIP 1201. Copyright by AASHTO / ITE /
NEMA. Used by permission.
"""

from stopline_cabinets.ntcip.dialing import AUTO, Address, Device, Probe, dial, probe
from stopline_cabinets.ntcip.driver import NtcipCabinet
from stopline_cabinets.ntcip.feeds import Feed, default_feeds, inputs_on, sensor_feeds
from stopline_cabinets.ntcip.pattern import Timing, TransactionRefused, timing_of
from stopline_cabinets.ntcip.profiles import PROFILES, Profile
from stopline_cabinets.ntcip.session import Push

__all__ = [
    "AUTO",
    "Address",
    "Device",
    "Feed",
    "NtcipCabinet",
    "PROFILES",
    "Probe",
    "Profile",
    "Push",
    "Timing",
    "TransactionRefused",
    "default_feeds",
    "dial",
    "inputs_on",
    "probe",
    "sensor_feeds",
    "timing_of",
]
