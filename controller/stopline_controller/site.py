"""The site file: everything a controller needs to know, checked as a whole before anything starts.

All mistakes are reported at once, each with its line, because a technician at a kerb has one look at it.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import ipaddress
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from stopline_controller.clock import Clock
from stopline_controller.drivers import DRIVERS, Driver, Lessee
from stopline_controller.site_tables import ControllerTable, JunctionTable, PolicyTable, SiteTables
from stopline_policy.bundle import SHIPPED, Bundle, read_bundle
from stopline_policy.signing import load_public_key
from stopline_signals.approach_map import ApproachMap, MapError, map_from_table
from stopline_signals.errors import BundleError, PlanError, SiteError, StoplineError
from stopline_signals.plan import GroupKind, SignalPlan
from stopline_signals.table import plan_from_table
from stopline_signals.toml_lines import LineMap

_SECRET = re.compile(r"communit|key|pass|secret|token|credential|auth|priv", re.IGNORECASE)
"""Entries whose values are never repeated: those that hold secrets, and names of files and variables that do,
for it is there that somebody writes the secret itself by mistake."""


class Problem(NamedTuple):
    """One mistake: the line of the site file, the entry, and what to do."""

    line: int
    entry: str
    message: str


class InvalidSite(SiteError):
    """A site file that cannot be used; `problems` lists every mistake in the order of their lines."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        count = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''}"
        lines = (f"  line {line}: {entry}: {message}" for line, entry, message in self.problems)
        super().__init__("\n".join([f"{path}: {count}", *lines]))


@dataclass(frozen=True, slots=True)
class JunctionSite:
    """One junction: its plan, and how to reach its cabinet."""

    plan: SignalPlan
    driver: Driver
    options: Any
    """The options of the driver, of the type it declares."""
    preempts: bool = False
    """Whether emergency vehicles are served by the cabinet's own preempts."""


@dataclass(frozen=True, slots=True)
class Site:
    """A checked site file with what it refers to."""

    path: Path
    tables: SiteTables
    junctions: tuple[JunctionSite, ...]
    bundle: Bundle | None
    """None when the site runs without a policy."""
    approaches: ApproachMap | None = None
    """Where the approaches lie, if vehicles may report positions."""

    @property
    def state_dir(self) -> Path:
        """Directory of the audit log and the status files."""
        return self.path.parent / self.tables.controller.state_dir


def read_site(path: Path, *, needs: bool = False) -> Site:
    """Read and check a site file, its plans and its bundle; InvalidSite lists all mistakes.

    With `needs` also what serving it takes: certificates, keys and libraries are loaded, cabinets made.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SiteError(f"{path}: cannot be read ({error})") from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSite(path, [_syntax_problem(error, text)]) from error
    reader = _Reader(path, LineMap(text), needs)
    site = reader.site(reader.parts(table))
    if reader.problems:
        raise InvalidSite(path, reader.problems)
    return site


class _Parts(NamedTuple):
    """What of a site file can be told, for mistakes in one table must not hide those in another."""

    tables: SiteTables
    """Without the junctions; a table that cannot be told is one that claims nothing."""
    junctions: dict[int, JunctionTable]
    """By their place in the file."""
    named: frozenset[str]
    """Junctions that the file names, those among them whose tables cannot be told."""


def is_loopback(address: str) -> bool:
    """Whether a host:port (or unix:path) can only be reached from this host."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Reader:
    """Collects the problems of one site file."""

    def __init__(self, path: Path, lines: LineMap, needs: bool) -> None:
        self.problems: list[Problem] = []
        self._path = path
        self._lines = lines
        self._needs = needs

    def add(self, location: Sequence[str | int], message: str) -> None:
        entry = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
        self.problems.append(Problem(self._lines.line(location), entry or "file", message))

    def add_errors(self, prefix: Sequence[str | int], error: ValidationError, model: type[BaseModel]) -> None:
        for detail in error.errors(include_url=False):
            location = (*prefix, *detail["loc"])
            if detail["type"] == "extra_forbidden":
                self.add(location, _unknown_key(model, detail["loc"]))
            elif detail["type"] == "missing":
                self.add(location, "is missing")
            else:
                self.add(
                    location, detail["msg"].removeprefix("Value error, ") + _found(location, detail["input"])
                )

    def parts(self, table: dict[str, Any]) -> _Parts:
        """The tables, their own mistakes noted; unknown keys are left out, tables with other mistakes too."""
        try:
            tables = SiteTables.model_validate(table)
        except ValidationError as error:
            self.add_errors((), error, SiteTables)
            return _told(_without_unknown(table, error))
        rows = dict(enumerate(tables.junction))
        return _Parts(tables, rows, frozenset(row.id for row in rows.values()))

    def site(self, parts: _Parts) -> Site:
        """Load what the tables refer to, and check them against each other."""
        tables, rows = parts.tables, parts.junctions
        self._check_listen(tables)
        self._check_v2x_address(tables)
        bundle = self._bundle(tables)
        made: dict[int, JunctionSite] = {}
        for index, row in rows.items():
            junction = self._junction(("junction", index), row, tables.controller.clock_rate)
            if junction is None:
                continue
            made[index] = junction
            if bundle:
                self._check_feeds(index, bundle, junction.plan)
        plans = {site.plan.junction: site.plan for site in made.values()}
        self._check_inbound(tables, plans, parts.named)
        approaches = self._approaches(tables, plans)
        earlier = set[str]()
        for index, row in rows.items():
            if row.id in earlier:
                self.add(("junction", index, "id"), f"junction {row.id!r} is in this file already")
            earlier.add(row.id)
        if self._needs:
            self._check_needs(tables, {("junction", n): found for n, found in made.items()})
        return Site(self._path, tables, tuple(made.values()), bundle, approaches)

    def _check_needs(self, tables: SiteTables, junctions: dict[tuple[str, int], JunctionSite]) -> None:
        """Load what serving takes; a cabinet is made as for service, and sends nothing before it connects."""
        # A controller that serves loads these libraries when it comes to them.
        from stopline_controller.serving_needs import lacks

        for entry, message in lacks(self._path.parent, tables):
            self.add(entry, message)
        for where, found in junctions.items():
            try:
                found.driver.build(found.plan, found.options, Lessee(1, "check"), Clock())
            except StoplineError as error:
                self.add((*where, "cabinet"), str(error))

    def _junction(self, where: tuple[str | int, ...], row: JunctionTable, rate: float) -> JunctionSite | None:
        before = len(self.problems)
        plan = self._plan(where, row)
        driver, options = self._cabinet((*where, "cabinet"), row.cabinet, rate)
        if plan is None or driver is None or len(self.problems) > before:
            return None
        if driver.check is not None:
            try:
                driver.check(plan, options)
            except StoplineError as error:
                self.add((*where, "cabinet"), str(error))
                return None
        return JunctionSite(plan, driver, options, preempts=row.emergency == "preempt")

    def _plan(self, where: tuple[str | int, ...], row: JunctionTable) -> SignalPlan | None:
        path = self._path.parent / row.plan
        try:
            plan = plan_from_table(tomllib.loads(path.read_text(encoding="utf-8")), str(row.plan))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, PlanError) as error:
            self.add((*where, "plan"), f"cannot be used: {error}")
            return None
        if plan.junction != row.id:
            self.add(
                (*where, "id"), f"{row.plan} is the plan of junction {plan.junction!r}, not of {row.id!r}"
            )
        if plan.benchmark_only:
            self.add(
                (*where, "plan"),
                f"{row.plan} is for benchmarks only (it breaks the rule book); use a safe plan",
            )
        return plan

    def _cabinet(
        self, where: tuple[str | int, ...], table: dict[str, Any], rate: float
    ) -> tuple[Driver | None, Any]:
        name = table.get("driver")
        driver = DRIVERS.get(str(name))
        if driver is None:
            known = ", ".join(sorted(DRIVERS))
            self.add((*where, "driver"), f"no such driver; there are {known}{_found(('driver',), name)}")
            return None, None
        try:
            options = driver.options.model_validate({k: v for k, v in table.items() if k != "driver"})
        except ValidationError as error:
            self.add_errors(where, error, driver.options)
            return driver, None
        address = driver.address(options)
        if rate > 1 and address and not is_loopback(address):
            self.add(
                (*where, "address"), f"a clock rate of {rate:g} is for virtual cabinets on loopback only"
            )
        return driver, options

    def _check_listen(self, tables: SiteTables) -> None:
        controller = tables.controller
        where = ("controller", "listen")
        if not controller.listen.startswith("unix:") and not re.fullmatch(r".+:\d{1,5}", controller.listen):
            self.add(where, f"must be host:port, found {controller.listen!r}")
        loopback = is_loopback(controller.listen)
        if controller.clock_rate > 1 and not loopback:
            self.add(
                ("controller", "clock_rate"), "over 1 only with every address on loopback; listen is not"
            )
        if controller.insecure and not loopback:
            self.add(
                ("controller", "insecure"),
                "plaintext only on a loopback address; give [controller.tls] instead",
            )
        if not controller.insecure and controller.tls is None:
            self.add(where, "needs [controller.tls], or insecure = true on a loopback address")

    def _check_v2x_address(self, tables: SiteTables) -> None:
        if tables.v2x is not None and not is_loopback(tables.v2x.address):
            self.add(
                ("v2x", "address"),
                "only on loopback or unix:path; who checked the signatures hands frames over on this machine",
            )

    def _check_inbound(self, tables: SiteTables, plans: dict[str, SignalPlan], named: frozenset[str]) -> None:
        for index, row in enumerate(tables.v2x.inbound if tables.v2x else ()):
            where = ("v2x", "inbound", index)
            plan = plans.get(row.junction)
            if not row.point[0]:
                self.add(where, "needs exactly one of lane, approach and connection")
            if (row.latitude is None) != (row.longitude is None):
                self.add(where, "needs latitude and longitude, or neither")
            if plan is None:
                if row.junction not in named:
                    self.add((*where, "junction"), f"no junction {row.junction!r} in this file")
            elif row.group not in [group.name for group in plan.groups]:
                self.add((*where, "group"), f"junction {row.junction} has no group {row.group!r}")

    def _approaches(self, tables: SiteTables, plans: dict[str, SignalPlan]) -> ApproachMap | None:
        """The map of approaches, whose entries for junctions of this site must be in their plans."""
        if tables.priority.map is None:
            return None
        where = ("priority", "map")
        try:
            text = (self._path.parent / tables.priority.map).read_text(encoding="utf-8")
            found = map_from_table(tomllib.loads(text), str(tables.priority.map))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, MapError) as error:
            self.add(where, f"cannot be used: {error}")
            return None
        if plans and not any(found.of_junction(junction) for junction in plans):
            there = ", ".join(sorted({row.junction for row in found.approaches.values()})[:5])
            self.add(where, f"has none of this site's junctions; it has {there}")
        for junction, plan in plans.items():
            known = {g.approach for g in plan.groups if g.kind is not GroupKind.PEDESTRIAN}
            for row in found.of_junction(junction):
                if row.approach not in known:
                    there = ", ".join(sorted(known - {""})) or "none"
                    problem = f"the plan of {junction} has no approach {row.approach!r}; it has {there}"
                    self.add(where, f"{row.name}: {problem}")
        return found

    def _bundle(self, tables: SiteTables) -> Bundle | None:
        name = tables.policy.bundle
        if name == "none":
            return None
        try:
            keys = [load_public_key(self._path.parent / key) for key in tables.policy.trusted_keys]
            return read_bundle(SHIPPED if name == "shipped" else self._path.parent / name, keys or None)
        except (BundleError, OSError) as error:
            self.add(("policy", "bundle"), str(error))
            return None

    def _check_feeds(self, index: int, bundle: Bundle, plan: SignalPlan) -> None:
        try:
            bundle.check_feeds(plan)
        except BundleError as error:
            self.add(("junction", index, "plan"), str(error))


def is_secret(entry: str) -> bool:
    """Whether an entry of that name may have a value that nobody must read in a log."""
    return _SECRET.search(entry) is not None


def _found(location: Sequence[str | int], value: object) -> str:
    """What stands in the file, as far as it may be repeated; a table or list may have secrets in it."""
    secret = any(is_secret(part) for part in location if isinstance(part, str))
    plain = value is None or isinstance(value, str | int | float)
    return f" (found {value!r})" if plain and not secret else ""


def _syntax_problem(error: tomllib.TOMLDecodeError, text: str) -> Problem:
    found = re.search(r"\(at line (\d+), column \d+\)", str(error))
    line = int(found[1]) if found else len(text.splitlines())
    return Problem(line, "file", f"is not TOML: {error}")


def _without_unknown(table: dict[str, Any], error: ValidationError) -> dict[str, Any]:
    """The table without the keys that the error calls unknown; the one given stays as it is."""
    clean = copy.deepcopy(table)
    for detail in error.errors(include_url=False, include_input=False):
        if detail["type"] == "extra_forbidden":
            inner: Any = clean
            for part in detail["loc"][:-1]:
                inner = inner[part]
            del inner[detail["loc"][-1]]
    return clean


def _told(table: dict[str, Any]) -> _Parts:
    """Every table by itself, as far as it is good; in place of the others stand ones that claim nothing."""
    stand_ins = {"controller": ControllerTable(insecure=True), "policy": PolicyTable(bundle="none")}
    found: dict[str, Any] = {}
    for name, field in SiteTables.model_fields.items():
        if name != "junction" and name in table:
            kind: Any = field.annotation
            try:
                found[name] = TypeAdapter[Any](kind).validate_python(table[name])
            except ValidationError:
                found[name] = stand_ins.get(name, field.default)
    rows: Any = table.get("junction")
    listed = cast("Sequence[Any]", rows if isinstance(rows, list) else ())
    junctions: dict[int, JunctionTable] = {}
    for index, row in enumerate(listed):
        with contextlib.suppress(ValidationError):
            junctions[index] = JunctionTable.model_validate(row)
    return _Parts(SiteTables.model_construct(**found), junctions, frozenset(_named(listed)))


def _named(rows: Sequence[Any]) -> Iterator[str]:
    for row in rows:
        if isinstance(row, dict):
            yield str(cast("dict[str, Any]", row).get("id"))


def _unknown_key(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    known = sorted(_keys_at(model, location[:-1]))
    close = difflib.get_close_matches(str(location[-1]), known, 1)
    return (
        f"unknown key; did you mean {close[0]!r}?" if close else f"unknown key; known are {', '.join(known)}"
    )


def _keys_at(model: type[BaseModel], location: Sequence[int | str]) -> Iterator[str]:
    for part in location:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = next(iter(_models_in(field.annotation)), model)
    yield from model.model_fields


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
