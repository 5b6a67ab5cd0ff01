"""An independent software conflict monitor (MMU): it sees lamps and time, and says which rule they broke.

It imports nothing else of this project, so that a mistake in the rule book cannot hide itself here.

>>> from stopline_mmu import monitor_from_table, lamps_from_letters
>>> monitor = monitor_from_table({"channels": [{"name": "main"}, {"name": "side"}]})
>>> monitor.observe(0, lamps_from_letters("Gr"))
[]
>>> [str(violation) for violation in monitor.observe(10, lamps_from_letters("GG"))]
['1.0 s conflict: main and side run together']
>>> monitor.tripped.rule
<Rule.CONFLICT: 'conflict'>
"""

from stopline_mmu.config import NEMA_TS2, STRICT, Card, Channel, Thresholds, card_from_table
from stopline_mmu.lamps import Lamp, lamps_from_letters
from stopline_mmu.monitor import Monitor, monitor_from_table
from stopline_mmu.violations import Rule, Violation

__all__ = [
    "NEMA_TS2",
    "STRICT",
    "Card",
    "Channel",
    "Lamp",
    "Monitor",
    "Rule",
    "Thresholds",
    "Violation",
    "card_from_table",
    "lamps_from_letters",
    "monitor_from_table",
]
