"""The conformance suite over the wire: any cabinet by its address, virtual or hardware.

    subject = subject_at("modbus://10.0.0.7:502?device_id=1", plan)
    groups = await conform(subject, may_write=ask_the_person)

It only reads until `may_write` says yes; after that it takes the cabinet's lease and changes stages.
"""

from stopline_hil.conformance.address import AddressError, subject_at
from stopline_hil.conformance.suite import conform, report_of

__all__ = ["AddressError", "conform", "report_of", "subject_at"]
