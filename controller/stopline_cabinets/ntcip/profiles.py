"""Makes of controller as data rows: how each is spoken to until it is known better.

What was measured or published is said beside each row. A make without a row is `generic`,
and every entry can be overridden in the site file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from stopline_cabinets.ntcip.objects import scalar
from stopline_cabinets.snmp.codec import Oid, Version
from stopline_signals.errors import CabinetError


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One make. `poll_s`: how often lamps and detectors are asked for while no push comes, seconds.

    `matches` is looked for in the device's description and module names. `scalar_suffix` names scalars whose
    instance is not .0. `push_enable` is the object and value that start the push of signal states. `v03`:
    it has the objects of NTCIP 1202 v03.
    """

    name: str
    matches: str
    port: int = 161
    version: Version = Version.V1
    read_community: str = "public"
    write_community: str = "administrator"
    max_varbinds: int = 20
    timeout_s: float = 1.0
    min_interval_s: float = 0.0
    poll_s: float = 0.5
    scalar_suffix: Mapping[str, int] = field(default_factory=dict[str, int])
    push_enable: tuple[Oid, int] | None = None
    v03: bool = False

    @property
    def renamed(self) -> dict[Oid, Oid]:
        """The standard's OID to the device's, where they differ."""
        return {scalar(name): (*scalar(name)[:-1], suffix) for name, suffix in self.scalar_suffix.items()}


GENERIC = Profile(name="generic", matches="$^")

PROFILES: dict[str, Profile] = {
    row.name: row
    for row in (
        GENERIC,
        # The virtual controller of this project: answers at once.
        Profile(name="virtual", matches="stopline", poll_s=0.1, v03=True),
        # Measured in the field: 68 ms per message, eight objects in 125 ms; tooBig was seen, so it starts
        # with few. The community is the name of a user of the controller.
        Profile(
            name="econolite",
            matches="econolite|cobalt|asc/?3|eos",
            port=501,
            read_community="administrator",
            max_varbinds=8,
            push_enable=((1, 3, 6, 1, 4, 1, 1206, 3, 5, 2, 9, 44, 1, 0), 6),
        ),
        # v1 only: v2c is silently ignored. 21 objects in 15 to 45 ms.
        Profile(name="maxtime", matches="maxtime|q-free|intelight", v03=True),
        # Nothing public on how these speak SNMP: what every v1 device must do.
        Profile(name="siemens", matches="siemens|yunex|sepac|m[56]0"),
        Profile(name="mccain", matches="mccain|omni"),
        Profile(name="peek", matches="peek|atc-?1000"),
        Profile(name="trafficware", matches="trafficware|naztec|cubic"),
    )
}


def profile_named(name: str) -> Profile:
    """The row of that name; CabinetError names the ones there are."""
    if name not in PROFILES:
        raise CabinetError(f"no device profile {name!r}; there are {', '.join(PROFILES)}")
    return PROFILES[name]


def profile_for(description: str) -> Profile:
    """The first row that recognises a device by what it says of itself, else `generic`."""
    for row in PROFILES.values():
        if re.search(row.matches, description, re.IGNORECASE):
            return row
    return GENERIC
