"""`stopline bundle card`: the model card of a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    path: Annotated[
        Path | None,
        typer.Argument(help="Bundle directory or zip; the shipped bundle when left out.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the Markdown there in place of printing it.", show_default=False),
    ] = None,
) -> None:
    """Render the model card of a bundle as Markdown: needs, training, figures, limits.

    Everything in it comes from the signed `bundle.json`; a bundle that does not verify has no card.

    Example: `stopline bundle card runs/mine.bundle --out CARD.md`
    """
    from stopline_policy.bundle import SHIPPED, read_bundle
    from stopline_policy.card import card

    text = card(read_bundle(path or SHIPPED))
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        typer.echo(f"wrote {out}")
