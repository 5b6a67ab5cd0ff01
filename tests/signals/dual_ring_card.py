"""The monitor's card for the dual ring of `eight_phases`, written by hand from the NEMA pairs."""

from __future__ import annotations

from stopline_mmu import Card, card_from_table


def eight_phase_card() -> Card:
    """What a technician would solder: pairs that may run together, and least times in tenths."""
    turns, throughs, walks = "1357", "2468", ("P2", "P4", "P6", "P8")
    rings = [("1", "5"), ("1", "6"), ("2", "5"), ("2", "6"), ("3", "7"), ("3", "8"), ("4", "7"), ("4", "8")]
    main = [("P2", "2"), ("P2", "5"), ("P2", "6"), ("P6", "6"), ("P6", "1"), ("P6", "2"), ("P2", "P6")]
    side = [("P4", "4"), ("P4", "7"), ("P4", "8"), ("P8", "8"), ("P8", "3"), ("P8", "4"), ("P4", "P8")]
    vehicles = [{"name": n, "min_green": 50, "min_change": 30, "min_red": 20} for n in turns]
    vehicles += [{"name": n, "min_green": 50, "min_change": 40, "min_red": 20} for n in throughs]
    people = [
        {"name": n, "pedestrian": True, "min_green": 70, "min_change": 120, "min_red": 20} for n in walks
    ]
    owed = {**dict.fromkeys(turns, 50), **dict.fromkeys(throughs, 55), **dict.fromkeys(walks, 150)}
    return card_from_table(
        {
            "channels": sorted(vehicles, key=lambda row: str(row["name"])) + people,
            "compatible": [*rings, *main, *side],
            "yields": [["1", "2"], ["1", "P2"], ["5", "6"], ["5", "P6"]],
            "oncoming": [["1", "2"], ["5", "6"]],
            "clearance": [[i, j, time] for i, time in owed.items() for j in owed if i != j],
        }
    )
