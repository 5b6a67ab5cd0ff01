"""What can go wrong with a cabinet, as types a caller can act on."""

from __future__ import annotations

from stopline_cabinets.words import Result
from stopline_signals.errors import CabinetError, CabinetRefused, CabinetTimeout

__all__ = [
    "CabinetDisobeys",
    "CabinetError",
    "CabinetOffline",
    "CabinetRefused",
    "CabinetTimeout",
    "LeaseRefused",
    "PlanRefused",
    "TornRead",
    "WrongCabinet",
]


class CabinetOffline(CabinetError):
    """There is no connection now; nothing was sent."""


class CabinetDisobeys(CabinetError):
    """The cabinet shows something else than what it accepted; it is left to its local plan."""


class WrongCabinet(CabinetError):
    """The device answers, but it is not the cabinet the plan is for; control must not start."""


class TornRead(CabinetError):
    """The state kept changing while it was read; try again at the next tick."""


class PlanRefused(CabinetRefused):
    """The cabinet judged a plan and did not take it; `result` says why."""

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result


class LeaseRefused(CabinetRefused):
    """Another controller holds the cabinet, named by `owner` and `label` (owner 0: the lease ran out)."""

    def __init__(self, message: str, owner: int, label: str = "") -> None:
        super().__init__(message)
        self.owner = owner
        self.label = label
