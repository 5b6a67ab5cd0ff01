"""Who speaks: a name and a role, from the certificate where there is one."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """What a person or machine is here. A certificate names it as the URI `urn:stopline:role:<role>`."""

    VIEWER = "viewer"
    DISPATCHER = "dispatcher"
    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    ENGINEER = "engineer"


RANKS = {role: rank for rank, role in enumerate(Role)}
"""Who may take a lease over from whom."""


class Identity(NamedTuple):
    """One caller. Without a certificate the name is only what the caller says, and `verified` is False."""

    name: str
    role: Role
    verified: bool = False


NOBODY = Identity("", Role.ENGINEER)
"""A caller on a plaintext loopback port: may do everything, as anybody with a shell on this machine may."""
