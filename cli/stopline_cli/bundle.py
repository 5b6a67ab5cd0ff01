"""`stopline bundle verify`: would the kerb run this bundle?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stopline_cli.output import JsonOption, print_json, print_table


def command(
    path: Annotated[
        Path | None,
        typer.Argument(help="Bundle directory or zip; the shipped bundle when left out.", show_default=False),
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(
            help="Trust only these public keys (PEM); by default the project's and your own.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a policy bundle: signature, hash of every file, versions, and that the model runs.

    Exit code 0 means that a controller of this release would accept the bundle; otherwise the message says
    which check failed and what to do. Detectors are checked against each junction when it is loaded.
    """
    from stopline_policy.bundle import SHIPPED, read_bundle
    from stopline_policy.bundle_policy import BundlePolicy
    from stopline_policy.signing import load_public_key

    bundle = read_bundle(path or SHIPPED, [load_public_key(file) for file in key] if key else None)
    BundlePolicy(bundle)
    manifest = bundle.manifest
    facts: dict[str, object] = {
        "name": manifest.name,
        "path": str(bundle.path),
        "sha256": bundle.sha256,
        "signed_by": bundle.signed_by,
        "created": manifest.created,
        "encoder_version": manifest.encoder_version,
        "max_groups": manifest.max_groups,
        "max_stages": manifest.max_stages,
        "decision_interval_s": manifest.decision_interval,
        "detectors": "; ".join(
            f"{need.kind.value} {need.start_m:g}-{need.end_m:g} m" if need.end_m else need.kind.value
            for need in manifest.detectors
        ),
    }
    if as_json:
        print_json(facts)
        return
    print_table(
        [{"field": name, "value": str(value)} for name, value in facts.items()], title="Bundle verified"
    )
