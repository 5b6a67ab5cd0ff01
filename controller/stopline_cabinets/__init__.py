"""The `Cabinet` seam and its drivers. Stopline asks, the cabinet decides.

A control loop does this with any cabinet, whatever wire it hangs on:

    state = await cabinet.connect()                    # checks the signal plan, takes the lease
    rows = (PlanRow(stage, stage_minimum(plan, stage), 600),)
    await cabinet.write(PlanCommand(cabinet.next_seq, rows, ttl=100))
    await cabinet.heartbeat()                          # at least twice a second, from the loop itself
    state = await cabinet.read()
    await cabinet.release()                            # back to the cabinet's local plan

`check_cabinet` is the public conformance test; `stopline_cabinets.modbus.ModbusCabinet` is the Modbus driver,
`stopline_cabinets.fake.FakeCabinet` a cabinet in memory.
"""

from stopline_cabinets.conformance import ConformanceError, Finding, check_cabinet
from stopline_cabinets.errors import (
    CabinetError,
    CabinetOffline,
    CabinetRefused,
    CabinetTimeout,
    LeaseRefused,
    PlanRefused,
    TornRead,
    WrongCabinet,
)
from stopline_cabinets.seam import Cabinet
from stopline_cabinets.words import (
    DARK,
    FREE_PATTERN,
    NO_STAGE,
    OWN_PATTERN,
    CabinetState,
    Can,
    Flag,
    Kind,
    Mode,
    PlanCommand,
    PlanRow,
    Receipt,
    Result,
    following,
    is_newer,
    stage_minimum,
)

__all__ = [
    "DARK",
    "FREE_PATTERN",
    "NO_STAGE",
    "OWN_PATTERN",
    "Cabinet",
    "CabinetError",
    "CabinetOffline",
    "CabinetRefused",
    "CabinetState",
    "CabinetTimeout",
    "Can",
    "ConformanceError",
    "Finding",
    "Flag",
    "Kind",
    "LeaseRefused",
    "Mode",
    "PlanCommand",
    "PlanRefused",
    "PlanRow",
    "Receipt",
    "Result",
    "TornRead",
    "WrongCabinet",
    "check_cabinet",
    "following",
    "is_newer",
    "stage_minimum",
]
