"""Which movements of a UTDF intersection go with which phase, and which are turns that only give way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from stopline_signals._utdf_sheets import Sheet
from stopline_signals.plan import Recall
from stopline_signals.ring_barrier import Overlap, Phase

RECALLS = {0: Recall.NONE, 1: Recall.MIN, 2: Recall.PED, 3: Recall.MAX, 4: Recall.MAX}
"""Synchro's numbers; 3 is also the coordinated phase's, 4 rests in walk."""

_PAIRS = (("NB", "SB"), ("EB", "WB"), ("NE", "SW"), ("NW", "SE"))
OPPOSITE = {**dict(_PAIRS), **{other: one for one, other in _PAIRS}}
APPROACHES = ("NB", "SB", "EB", "WB", "NE", "NW", "SE", "SW")
MOVEMENT = re.compile(f"({'|'.join(APPROACHES)})([LTRU])[0-9]?")
"""A column of the lanes section; a second left of an approach is NBL2."""


def movement_order(name: str) -> tuple[int, int, str]:
    """Sorts movements by approach, left to right."""
    return APPROACHES.index(name[:2]), "ULTR".index(name[2]), name


@dataclass(frozen=True, slots=True)
class Turn:
    """One movement with lanes: the phases it has for itself, and those in which it gives way."""

    name: str
    lanes: float
    protected: frozenset[int]
    permissive: frozenset[int]
    yields_to: frozenset[int]

    @property
    def approach(self) -> str:
        """NB, SB, ..."""
        return self.name[:2]


def phases_of(sheet: Sheet) -> tuple[Phase, ...]:
    """The phases with the movements that have one phase for their own."""
    turns = _turns(sheet)
    return tuple(_phase(sheet, number, turns) for number in sheet.numbers())


def overlaps_of(sheet: Sheet) -> tuple[Overlap, ...]:
    """Movements with several phases as overlaps, and turns with none as permissive only."""
    numbers = set(sheet.numbers())
    groups: dict[tuple[str, frozenset[int], frozenset[int]], list[Turn]] = {}
    for turn in _turns(sheet):
        if len(turn.protected) != 1:
            groups.setdefault((turn.approach, turn.protected, turn.permissive), []).append(turn)
    found: list[Overlap] = []
    for (_, protected, permissive), turns in groups.items():
        yields_to = frozenset(number for turn in turns for number in turn.yields_to)
        leading = min((protected or permissive) & numbers)
        found.append(
            Overlap(
                parents=tuple(sorted(protected)),
                **_common(sheet, turns, permissive, yields_to),
                **_times(sheet, leading),
            )
        )
    return tuple(found)


def _turns(sheet: Sheet) -> list[Turn]:
    names = sorted(filter(MOVEMENT.fullmatch, sheet.lanes.get("Lanes", {})), key=movement_order)
    protected = {name: _numbers(sheet, name, "Phase") for name in names}
    permissive = {name: _numbers(sheet, name, "PermPhase") for name in names}
    through: dict[str, frozenset[int]] = {}
    for name in names:
        if name[2:] in ("T", "R"):
            serves = protected[name] | permissive[name]
            if name[2:] == "T" or name[:2] not in through:
                through[name[:2]] = serves
    found: list[Turn] = []
    for name in names:
        if not protected[name] and not permissive[name]:
            continue
        oncoming = through.get(OPPOSITE[name[:2]], frozenset())
        lanes = sheet.number(sheet.lane("Lanes", name), "Lanes", "Lanes")
        if name[2:3] in ("L", "U") and oncoming - protected[name]:
            gives = permissive[name] - protected[name]
            found.append(Turn(name, lanes, protected[name], gives, oncoming if gives else frozenset()))
        else:  # nobody comes towards it: it has the green of both kinds of phase for itself
            found.append(Turn(name, lanes, protected[name] | permissive[name], frozenset(), frozenset()))
    return found


def _numbers(sheet: Sheet, movement: str, record: str) -> frozenset[int]:
    used = set(sheet.numbers())
    texts = (sheet.lane(f"{record}{number}", movement) for number in range(1, 5))
    found = {int(sheet.number(text, "Lanes", record)) for text in texts if text}
    return frozenset(number for number in found if number in used)


def _phase(sheet: Sheet, number: int, turns: list[Turn]) -> Phase:
    own = [turn for turn in turns if turn.protected == frozenset({number})]
    permissive = frozenset(n for turn in own for n in turn.permissive)
    yields_to = frozenset(n for turn in own for n in turn.yields_to)
    walk = sheet.phase_time("Walk", number) or 0
    return Phase(
        number=number,
        recall=_recall(sheet, number),
        walk=walk,
        ped_clear=(sheet.phase_time("DontWalk", number) or 0) if walk else 0,
        **_common(sheet, own, permissive, yields_to),
        **_times(sheet, number),
    )


def _common(
    sheet: Sheet, turns: list[Turn], permissive: frozenset[int], yields_to: frozenset[int]
) -> dict[str, Any]:
    """Name, approaches and lanes; the speed only of a group that goes straight on, as turns are slower."""
    straight = {turn.approach for turn in turns if turn.name[2:] == "T"}
    return {
        "name": "+".join(turn.name for turn in turns),
        "approach": "+".join(dict.fromkeys(turn.approach for turn in turns)),
        "lanes": max(sum(turn.lanes for turn in turns), 1.0),
        "permissive_with": tuple(sorted(permissive)),
        "yields_to": tuple(sorted(yields_to)),
        "speed": round(max((sheet.speed(approach) for approach in straight), default=0.0), 2),
        "grade": min((sheet.grade(approach) for approach in straight), default=0.0),
    }


def _times(sheet: Sheet, number: int) -> dict[str, Any]:
    records = {
        "min_green": "MinGreen",
        "max_green": "MaxGreen",
        "passage": "VehExt",
        "yellow": "Yellow",
        "red": "AllRed",
    }
    found = {key: sheet.phase_time(record, number) for key, record in records.items()}
    return {key: value for key, value in found.items() if value is not None}


def _recall(sheet: Sheet, number: int) -> Recall:
    text = sheet.phase("Recall", number) or "0"
    code = sheet.number(text, "Phases", "Recall")
    if code not in RECALLS:
        raise sheet.fail("Phases", "Recall", f"phase {number} has {text}; known are 0 to 4")
    return RECALLS[int(code)]
