"""`stopline export`: from a training run to a signed bundle."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from stopline_cli.output import JsonOption, print_json, print_table


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a run made by `stopline train`.")],
    out: Annotated[
        Path, typer.Option(help="Bundle to write: a directory, or a zip when it ends in .zip.")
    ] = Path("runs/policy.bundle"),
    name: Annotated[str, typer.Option(help="Name of the policy.")] = "universal",
    vote: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another run whose network decides with it by the mean of their scores; may be repeated.",
            show_default=False,
        ),
    ] = None,
    interval: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=60,
            help="Seconds between decisions where the policy runs; by default those of its training.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            help="Ed25519 private key (PEM), made when it is not there; by default your own local key.",
            show_default=False,
        ),
    ] = None,
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(
            help="evaluation.json, or the result of `make bench-policies`, to state; may be repeated.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Export the best network of a run as a signed policy bundle.

    The ONNX model is proven equal to the network on recorded observations before anything is written. The
    private key stays where it is (mode 0600); a controller trusts the bundle once it knows the public half,
    which lies beside the key as `*.pub.pem` and is trusted by default on this machine for this user.

    Example: `stopline export runs/train --out my.bundle && stopline bundle verify my.bundle`
    """
    from stopline_agents.training.provenance import export_run
    from stopline_policy.bundle import read_bundle
    from stopline_policy.signing import key_id, load_or_create_key

    signer = load_or_create_key(key)
    figures = [json.loads(file.read_text(encoding="utf-8")) for file in evaluation or []]
    line = shlex.join(["stopline", *sys.argv[1:]])
    parity = export_run(
        run,
        out,
        signer,
        name=name,
        evaluations=figures,
        command=line,
        votes=vote or (),
        interval=interval,
    )
    bundle = read_bundle(out, [signer.public_key()])
    row: dict[str, object] = {
        "bundle": str(out),
        "sha256": bundle.sha256,
        "signed_by": key_id(signer.public_key()),
        "parity_observations": parity.observations,
        "parity_worst": f"{parity.worst:.1e}",
    }
    if as_json:
        print_json(row)
    else:
        print_table(
            [{"field": field, "value": str(value)} for field, value in row.items()], title="Bundle written"
        )
