"""The error tree shared by every Stopline package; each message names the place and the remedy."""

from __future__ import annotations


class StoplineError(Exception):
    """Anything Stopline refuses on purpose; the command line prints it and exits 1."""


class PlanError(StoplineError):
    """A signal plan that cannot be run; names the junction and the field."""


class NetworkError(StoplineError):
    """A road network that cannot be read; names the file, junction and phase."""


class ScenarioError(StoplineError):
    """A scenario that cannot be run; names the missing or contradicting entry."""


class SimulationError(StoplineError):
    """The simulator stopped or refused; carries its last words."""


class BundleError(StoplineError):
    """A policy bundle that must not be used; says which check failed."""


class PolicyError(StoplineError):
    """A policy that broke its contract at run time."""


class SiteError(StoplineError):
    """A site file with one or more mistakes; lists all of them with their lines."""


class CabinetError(StoplineError):
    """A roadside cabinet that did not do as asked."""


class CabinetTimeout(CabinetError):
    """No answer within the deadline; the outcome of a write is then unknown."""


class CabinetRefused(CabinetError):
    """The cabinet answered and said no; carries its reason."""
