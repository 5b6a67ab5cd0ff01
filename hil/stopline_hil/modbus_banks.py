"""Fills the read-only banks of the virtual PLC: its configuration and its discrete inputs."""

from __future__ import annotations

from stopline_cabinets.modbus.codec import put32
from stopline_cabinets.modbus.registers import (
    CONFIG_LENGTH,
    INPUTS_LENGTH,
    MAX_GROUPS,
    NONE16,
    Block,
    addresses,
)
from stopline_cabinets.words import CabinetState
from stopline_signals.errors import CabinetError
from stopline_signals.plan import NO_CONFLICT, GroupKind, SignalPlan

_KINDS = (GroupKind.VEHICLE, GroupKind.PEDESTRIAN, GroupKind.CYCLIST, GroupKind.TRANSIT)


def config_bank(plan: SignalPlan) -> list[int]:
    """The configuration block of a plan.

    Raises:
        CabinetError: the plan is larger than the map.
    """
    if len(plan.groups) > MAX_GROUPS or len(plan.stages) > 32 or len(plan.detectors) > 64:
        raise CabinetError(
            f"junction {plan.junction}: {len(plan.groups)} groups, {len(plan.stages)} stages, "
            f"{len(plan.detectors)} detectors; the map holds 32, 32 and 64"
        )
    at = addresses(Block.CONFIG)
    bank = [0] * CONFIG_LENGTH
    for number, group in enumerate(plan.groups):
        row = (
            ("kind", _KINDS.index(group.kind)),
            ("minimum", group.minimum),
            ("change", group.change),
            ("max_green", group.max_green),
            ("max_red", group.max_red),
        )
        for name, value in row:
            bank[at[name] + number] = value
    bank[at["red_revert"]], bank[at["startup_red"]] = plan.red_revert, plan.startup_red
    for number, stage in enumerate(plan.stages):
        put32(bank, at["protected"] + 2 * number, sum(1 << group for group in stage.protected))
        put32(bank, at["permissive"] + 2 * number, sum(1 << group for group in stage.permissive))
    matrix = at["intergreen"]
    bank[matrix : matrix + MAX_GROUPS * MAX_GROUPS] = [NONE16] * MAX_GROUPS * MAX_GROUPS
    for i, times in enumerate(plan.intergreen):
        for j, value in enumerate(times):
            if value != NO_CONFLICT:
                bank[matrix + MAX_GROUPS * i + j] = value
    return bank


def input_bank(state: CabinetState) -> list[int]:
    """The discrete inputs, 16 to a word, input 0 in bit 0."""
    bits = int(state.flags)
    at = addresses(Block.INPUTS)
    for number, reading in enumerate(state.readings):
        bits |= (reading.vehicles > 0) << at["occupied"] + number
    bits |= state.calls << at["called"]
    return [bits >> 16 * word & 0xFFFF for word in range(-(-INPUTS_LENGTH // 16))]
