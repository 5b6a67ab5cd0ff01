"""Pictures and films as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from stopline_envs.picture.map import Picture
from stopline_signals.errors import ScenarioError


def save_picture(picture: Picture, path: Path) -> None:
    """Write one picture; the suffix (.png, .jpg) says in which form."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def save_film(pictures: Sequence[Picture], path: Path, *, milliseconds: int = 120) -> None:
    """Write pictures as an endless GIF, each shown for so long."""
    if not pictures:
        raise ScenarioError(f"{path}: no picture to make a film of")
    if path.suffix.lower() != ".gif":
        raise ScenarioError(f"{path}: films are written as .gif")
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *rest = (
        Image.fromarray(picture).convert("P", palette=Image.Palette.ADAPTIVE) for picture in pictures
    )
    first.save(path, save_all=True, append_images=rest, duration=milliseconds, loop=0, optimize=True)
