"""What this controller wants of a cabinet, always as a whole: masks, pattern and preempts."""

from __future__ import annotations

from typing import NamedTuple

from stopline_cabinets.ntcip.masks import bindings, numbers_in
from stopline_cabinets.ntcip.objects import cell, scalar
from stopline_cabinets.snmp.codec import VarBind, integer

FREE = 254
"""systemPatternControl: no pattern, the phases run free."""
FLASH = 255
"""systemPatternControl: flash."""
STANDBY = 0
"""systemPatternControl: the cabinet chooses its pattern by itself again."""
PATTERN_CONTROL = scalar("systemPatternControl")


class Masks(NamedTuple):
    """The phase control masks, in the order in which they are written.

    Calls and holds come first: where a device takes one object per message, a phase is forced off only when
    what shall follow is called already.
    """

    veh_call: int = 0
    ped_call: int = 0
    hold: int = 0
    phase_omit: int = 0
    ped_omit: int = 0
    force_off: int = 0


COLUMNS = tuple(
    f"phaseControlGroup{name}" for name in ("VehCall", "PedCall", "Hold", "PhaseOmit", "PedOmit", "ForceOff")
)
"""The objects of `Masks`, field by field."""


class Desired(NamedTuple):
    """Everything that is kept alive against the backup timer."""

    masks: Masks = Masks()
    pattern: int = STANDBY
    preempts: int = 0


NOTHING_DESIRED = Desired()


class Asked(NamedTuple):
    """Phases and pedestrian phases that are called, or omitted (masks)."""

    phases: int = 0
    peds: int = 0


def stage_masks(wanted: int, enabled: int, greens: int, called: Asked, omitted: Asked) -> Masks:
    """Level B: run exactly the wanted phases; `enabled` are the cabinet's, `greens` those now green.

    A green phase that is not wanted is forced off, which cuts none of its minimums, and every other phase is
    omitted, so that nothing comes in between. An omit of ours never keeps a wanted phase from running.
    """
    others = enabled & ~wanted
    return Masks(
        veh_call=wanted | called.phases,
        ped_call=called.peds,
        hold=wanted,
        phase_omit=others,
        ped_omit=omitted.peds,
        force_off=others & greens,
    )


def own_masks(called: Asked, omitted: Asked) -> Masks:
    """Let the cabinet run by itself, with calls and omits of ours."""
    return Masks(
        veh_call=called.phases, ped_call=called.peds, phase_omit=omitted.phases, ped_omit=omitted.peds
    )


def to_bindings(desired: Desired, groups: int, preempts: int) -> list[VarBind]:
    """All of it as objects to set; `preempts` are those this controller ever touched (mask)."""
    found = [integer(PATTERN_CONTROL, desired.pattern)]
    for column, mask in zip(COLUMNS, desired.masks, strict=True):
        found += bindings(column, mask, groups)
    for number in numbers_in(preempts):
        on = desired.preempts >> number - 1 & 1
        found.append(integer(cell("preemptControlState", number), on))
    return found


def keeps(shown: Masks, desired: Masks) -> bool:
    """Whether masks read back are the desired ones; a force-off may have ended by itself."""
    return shown[:-1] == desired[:-1] and not shown.force_off & ~desired.force_off
