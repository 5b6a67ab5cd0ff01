"""The `stopline` entry point: one table of commands, each imported only when it runs."""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from stopline_cli import __version__
from stopline_cli.failures import explain


class Row(NamedTuple):
    """One command: the words typed after `stopline`, its module and its line in the help."""

    name: str
    module: str
    help: str


COMMANDS: tuple[Row, ...] = (
    Row("demo", "stopline_cli.demo", "Run the whole chain once, from SUMO to the cabinets and back."),
    Row(
        "train", "stopline_cli.train", "Train the shared policy on generated networks; resumes after a stop."
    ),
    Row("finetune", "stopline_cli.finetune", "Train a policy further on one network of yours."),
    Row("export", "stopline_cli.export", "Turn a training run into a signed bundle."),
    Row("evaluate", "stopline_cli.evaluate", "Compare controllers on the same traffic, seed by seed."),
    Row("bundle verify", "stopline_cli.bundle", "Check that the kerb would run a policy bundle."),
    Row("bundle card", "stopline_cli.bundle_card", "Render what a bundle says about itself as a page."),
    Row("serve", "stopline_cli.serve", "Run the controller of a site beside its cabinets."),
    Row("override", "stopline_cli.override", "Take a junction over for a while, and hand it back."),
    Row("junction show", "stopline_cli.junction_show", "Show what the policy sees of a junction."),
    Row("priority", "stopline_cli.priority", "Report a vehicle to the controllers on its route."),
    Row("policy list", "stopline_cli.policy_list", "Show a controller's policies and what they did."),
    Row("policy load", "stopline_cli.policy_load", "Send a bundle to a controller; it decides nothing yet."),
    Row("policy shadow", "stopline_cli.policy_shadow", "Let a policy decide beside the active one, unheard."),
    Row("policy activate", "stopline_cli.policy_activate", "Put a policy in charge of the junctions."),
    Row("policy rollback", "stopline_cli.policy_rollback", "Put the version before in charge again."),
    Row("audit show", "stopline_cli.audit_show", "Read the audit log: who decided what, and why."),
    Row("audit verify", "stopline_cli.audit_verify", "Recompute the hash chain of an audit log."),
    Row("events export", "stopline_cli.events_export", "Write high-resolution events for signal measures."),
    Row("certs dev", "stopline_cli.certs_dev", "Make a local authority and certificates by role."),
    Row("network inspect", "stopline_cli.network_inspect", "Show signal plans and judge them by the book."),
    Row("network export", "stopline_cli.network_export", "Write signal plans for SUMO, cabinets or Synchro."),
    Row("network check", "stopline_cli.network_check", "Find traffic that SUMO would refuse or leave out."),
    Row("network generate", "stopline_cli.network_generate", "Draw a random network and its demand."),
    Row("network import", "stopline_cli.network_import", "Make a scenario of an OpenStreetMap file."),
    Row("network approaches", "stopline_cli.network_approaches", "Write where a network's approaches lie."),
    Row("network film", "stopline_cli.network_film", "Draw a scenario running, as GIF or PNG."),
    Row("hil cabinet", "stopline_cli.hil_cabinet", "Run virtual cabinets on a real wire protocol."),
    Row("hil conformance", "stopline_cli.hil_conformance", "Judge a cabinet by its address."),
    Row("hil run", "stopline_cli.hil_run", "Let faults loose between controller and cabinets, and judge."),
)

GROUPS = {
    "audit": "The audit log of a controller.",
    "bundle": "Policy bundles: check what the kerb would run.",
    "certs": "Certificates: who may do what at a controller.",
    "events": "The high-resolution event log of a controller.",
    "hil": "Hardware in the loop: virtual cabinets, faults, conformance.",
    "junction": "The junctions of a running controller.",
    "policy": "The policies of a running controller: load, try in shadow, put in charge, take back.",
    "network": "Road networks: their signal plans, their import, their picture.",
}


class LazyGroup(TyperGroup):
    """A group whose commands are placeholders until one of them is chosen."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the chosen command, imported now; a group inside is returned as it is."""
        name, placeholder, rest = super().resolve_command(ctx, args)
        row = _ROWS.get(f"{self.name} {name}" if self.name in GROUPS else f"{name}")
        return name, placeholder if row is None else load(row), rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a failure that can be explained is one line on stderr and exit code 1."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            reason = explain(error)
            if reason is None:
                raise
            typer.echo(f"error: {reason}", err=True)
            raise typer.Exit(1) from error


def load(row: Row) -> Any:
    """Import a row's module and make its function `command` into a runnable command."""
    alone = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    alone.command(name=row.name.split()[-1])(importlib.import_module(row.module).command)
    return typer.main.get_command(alone)


def build(commands: tuple[Row, ...]) -> typer.Typer:
    """Return the shell with a placeholder for each command."""
    root = typer.Typer(
        name="stopline",
        cls=LazyGroup,
        callback=_root,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_show_locals=False,
    )
    groups: dict[str, typer.Typer] = {}
    for row in commands:
        *words, name = row.name.split()
        parent = root
        for group in words:
            if group not in groups:
                groups[group] = typer.Typer(cls=LazyGroup, help=GROUPS[group], no_args_is_help=True)
                root.add_typer(groups[group], name=group)
            parent = groups[group]
        parent.command(name=name, help=row.help)(_placeholder)
    return root


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stopline {__version__} (Python {sys.version.split()[0]})")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train traffic-signal policies in SUMO, measure them, and run them beside real cabinets.

    Every command explains itself with `--help`. Exit codes: 0 done, 1 failed, 2 bad usage.
    """


def _placeholder() -> None:
    """Stand in for a command in the help of its group."""


_ROWS: dict[str, Row] = {row.name: row for row in COMMANDS}
app = build(COMMANDS)
