"""SNMP for roadside controllers: an own v1/v2c codec and manager, and SNMPv3 behind the same interface."""
