"""A campaign: which faults are let loose on which cabinets; TOML, every mistake with its line."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stopline_hil.faults.table import FAULTS, Fault
from stopline_signals.errors import StoplineError
from stopline_signals.toml_lines import LineMap

Protocol = Literal["modbus", "ntcip"]
SYNTHETIC = "synthetic"


class CampaignError(StoplineError):
    """A campaign that cannot be run; the message has a line for each mistake."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class CampaignTable(_Table):
    """`[campaign]`."""

    name: str
    """What reports call it."""
    rate: Annotated[float, Field(ge=1, le=20)] = 3.0
    """Cabinet seconds per wall-clock second; deadlines of the wire are shortened as much."""
    protocols: Annotated[tuple[Protocol, ...], Field(min_length=1)] = ("modbus", "ntcip")
    """Each case is run at a cabinet of each of these."""
    at_once: Annotated[int, Field(ge=1, le=50)] = 8
    """Cases that run side by side, each with cabinets of its own."""
    seed: Annotated[int, Field(ge=0)] = 1
    """For traffic and chance."""
    settle_s: Annotated[float, Field(ge=0, le=600)] = 5.0
    """Undisturbed cabinet seconds under the controller before a fault."""
    street: str = SYNTHETIC
    """Where traffic comes from: "synthetic", or a scenario with SUMO, whose signals lend their junctions."""
    window: str = ""
    """A named part of that scenario."""
    bundle: str = "shipped"
    """The controller's policy: "shipped", "none", or a path relative to the campaign."""


class CaseTable(_Table):
    """`[[case]]`: one fault."""

    fault: str
    """Name of a row of `stopline_hil.faults.FAULTS`."""
    name: str = ""
    """By default the fault's."""
    protocols: tuple[Protocol, ...] | None = None
    """Where, by default everywhere it can happen."""
    lasts_s: Annotated[float, Field(gt=0, le=3600)] | None = None
    """Cabinet seconds; by default the row's."""
    recovers_s: Annotated[float, Field(gt=0, le=3600)] | None = None
    """Longest time until plans are in force again; by default the row's."""
    expect: tuple[str, ...] | None = None
    """States that are right at its end; by default the row's."""
    options: dict[str, float] = Field(default_factory=dict[str, float])
    """The fault's own settings."""


class _Tables(_Table):
    campaign: CampaignTable
    case: tuple[CaseTable, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One fault at one kind of cabinet."""

    name: str
    protocol: str
    fault: Fault
    options: Mapping[str, float]
    lasts_s: float
    recovers_s: float
    expect: frozenset[str]

    @property
    def key(self) -> str:
        """Its name at its protocol, which is its junction's name."""
        return f"{self.name} ({self.protocol})"


@dataclass(frozen=True, slots=True)
class Campaign:
    """A checked campaign."""

    table: CampaignTable
    cases: tuple[Case, ...]
    source: str

    def at(self, rate: float) -> Campaign:
        """The same at another rate: a slower one for a busy machine."""
        return replace(self, table=self.table.model_copy(update={"rate": rate}))


def read_campaign(path: str | Path) -> Campaign:
    """Read a campaign file; a name without a folder or ending is one of the shipped ones.

    Raises:
        CampaignError: it cannot be read, or has mistakes, each named with its line.
    """
    file = Path(path)
    if not file.suffix and file.name == str(path):
        file = Path(str(resources.files("stopline_hil.campaigns"))) / f"{path}.toml"
        if not file.is_file():
            raise CampaignError(
                f"no campaign {str(path)!r}; shipped are {', '.join(shipped())}, or give a file"
            )
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CampaignError(f"{file}: cannot be read ({error})") from error
    return parse_campaign(text, str(path))


def shipped() -> list[str]:
    """Names of the campaigns that come with Stopline."""
    folder = Path(str(resources.files("stopline_hil.campaigns")))
    return sorted(file.stem for file in folder.glob("*.toml"))


def parse_campaign(text: str, source: str) -> Campaign:
    """A campaign from its text."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CampaignError(f"{source}: not TOML: {error}") from error
    lines = LineMap(text)
    try:
        tables = _Tables.model_validate(table)
    except ValidationError as error:
        raise _mistakes(source, lines, _of_schema(error)) from None
    if found := list(_of_meaning(tables)):
        raise _mistakes(source, lines, found)
    return Campaign(tables.campaign, tuple(_cases(tables)), source)


def _cases(tables: _Tables) -> Iterator[Case]:
    for case in tables.case:
        row = FAULTS[case.fault]
        for protocol in case.protocols or tables.campaign.protocols:
            if protocol in row.protocols and protocol in tables.campaign.protocols:
                yield Case(
                    case.name or case.fault,
                    protocol,
                    row,
                    {**row.options, **case.options},
                    case.lasts_s or row.lasts_s,
                    case.recovers_s or row.recovers_s,
                    frozenset(case.expect) if case.expect is not None else row.expect,
                )


Mistake = tuple[Sequence[str | int], str]


def _of_schema(error: ValidationError) -> Iterator[Mistake]:
    for detail in error.errors(include_url=False):
        location = detail["loc"]
        message = detail["msg"]
        if detail["type"] == "extra_forbidden":
            message = f"there is no such entry{_similar(str(location[-1]), _entries(location))}"
        elif detail["type"] == "missing":
            message = "is missing"
        yield location, message


def _of_meaning(tables: _Tables) -> Iterator[Mistake]:
    names: set[tuple[str, str]] = set()
    yield from _of_street(tables.campaign)
    if not tables.case:
        yield ["case"], "there is none"
    for number, case in enumerate(tables.case):
        at: list[str | int] = ["case", number]
        row = FAULTS.get(case.fault)
        if row is None:
            yield [*at, "fault"], f"no fault {case.fault!r}{_similar(case.fault, FAULTS)}"
            continue
        for option in case.options.keys() - row.options.keys():
            known = ", ".join(row.options) or "none"
            yield [*at, "options", option], f"{case.fault} has no option {option!r}; it has {known}"
        for protocol in case.protocols or ():
            if protocol not in row.protocols:
                yield [*at, "protocols"], f"{case.fault} cannot happen at {protocol}"
        keys = {(case.name or case.fault, one) for one in case.protocols or tables.campaign.protocols}
        if keys & names:
            yield at, f"a second case named {case.name or case.fault!r}; give it a name of its own"
        names |= keys


def _of_street(table: CampaignTable) -> Iterator[Mistake]:
    if table.street == SYNTHETIC:
        if table.window:
            yield ["campaign", "window"], "only a scenario has one; name it as `street`"
        return
    # Not with the module: a campaign without SUMO needs no SUMO.
    from stopline_hil.campaigns.sumo import scenario_of

    try:
        scenario_of(table.street, table.window)
    except StoplineError as error:
        yield ["campaign", "window" if table.window else "street"], str(error)


def _entries(location: Sequence[str | int]) -> Sequence[str]:
    table: type[BaseModel] = _Tables
    if location[0] == "campaign" and len(location) > 1:
        table = CampaignTable
    elif location[0] == "case" and len(location) > 1:
        table = CaseTable
    return tuple(table.model_fields)


def _similar(word: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"


def _mistakes(source: str, lines: LineMap, found: Iterator[Mistake] | list[Mistake]) -> CampaignError:
    rows = sorted(
        (lines.line(location), ".".join(str(part) for part in location), message)
        for location, message in found
    )
    texts = [f"  line {line}: {entry}: {message}" for line, entry, message in rows]
    return CampaignError("\n".join([f"{source}: {len(rows)} mistake{'s' * (len(rows) > 1)}", *texts]))
