"""A virtual NTCIP 1202 cabinet: an actuated dual-ring controller behind a real SNMP agent.

    async with NtcipCabinet(dual_ring("Main/1st").plan(), RunningClock(), port=1161) as cabinet:
        await cabinet.run()

Vehicle detectors are those of `stopline_cabinets.ntcip.feeds.default_feeds`, pedestrian detector n is the
plan's n-th button, channel n its n-th group, overlap n its n-th vehicle group without a phase, preempt n its
n-th preempt (one for each stage when it has none). Pattern 1 is the plan's own program.
"""

from stopline_hil.ntcip.agent import AgentProfile
from stopline_hil.ntcip.assign import with_phases
from stopline_hil.ntcip.cabinet import PUSH_ENABLE, NtcipCabinet
from stopline_hil.ntcip.spat import Push

__all__ = ["PUSH_ENABLE", "AgentProfile", "NtcipCabinet", "Push", "with_phases"]
