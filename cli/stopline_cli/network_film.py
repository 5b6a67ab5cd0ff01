"""`stopline network film`: a scenario running, as a GIF, or one moment of it as a PNG."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stopline_envs.network import NetworkRun
    from stopline_envs.picture import Scene

MOST_FRAMES = 600


def command(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A built-in scenario, or a scenario TOML file.")
    ],
    out: Annotated[Path, typer.Option(help="File to write: .gif is a film, .png the moment --at.")],
    at: Annotated[
        int, typer.Option(min=0, help="Seconds after the scenario's begin: a film's start, a PNG's moment.")
    ] = 300,
    seconds: Annotated[int, typer.Option(min=1, help="Seconds of simulation that a film shows.")] = 60,
    every: Annotated[int, typer.Option(min=1, help="Seconds between two frames.")] = 1,
    around: Annotated[
        str | None,
        typer.Option(metavar="SIGNAL", help="Look at this signal; else the whole map.", show_default=False),
    ] = None,
    radius: Annotated[float, typer.Option(min=10, help="With --around: metres to each side.")] = 110.0,
    controller: Annotated[
        str, typer.Option(help="Who decides: fixed, actuated, bundle ...; see `stopline evaluate --help`.")
    ] = "fixed",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the traffic.")] = 1,
    width: Annotated[int, typer.Option(min=64, max=4000, help="Pixels.")] = 960,
    height: Annotated[int, typer.Option(min=64, max=4000, help="Pixels.")] = 720,
) -> None:
    """Draw a scenario while a controller runs it; needs no display.

    Stop lines show the lamps, dark blue are cars, a red outline marks who stands still, dots are people.

    Example: `stopline network film arterial --out film.gif --around J4 --controller actuated`
    """
    from stopline_envs.network import NetworkRun
    from stopline_envs.picture import MapPicture, save_film, save_picture
    from stopline_envs.scenario import load_scenario

    still = out.suffix.lower() != ".gif"
    chosen = load_scenario(scenario)
    chosen = chosen.between(end=max(chosen.end, chosen.begin + at + seconds + 1))
    if not still and seconds // every > MOST_FRAMES:
        raise typer.BadParameter(
            f"{seconds // every} frames are too many; take fewer --seconds or a larger --every"
        )
    run = NetworkRun(chosen)
    picture = MapPicture(
        run.plan_set, size=(width, height), around=around, radius_m=radius, title=chosen.name
    )
    try:
        scenes = _scenes(run, controller, seed, at, 0 if still else seconds, every)
        frames = [picture.draw(scene) for scene in scenes]
    finally:
        run.close()
    if still:
        save_picture(frames[0], out)
    else:
        save_film(frames, out)
    typer.echo(f"wrote {out}: {chosen.name} from {at} s, {len(frames)} frame{'s' * (len(frames) != 1)}")


def _scenes(
    run: NetworkRun, controller: str, seed: int, at: int, seconds: int, every: int
) -> Iterator[Scene]:
    from stopline_agents.controllers import make_controller
    from stopline_envs.picture import take_scene
    from stopline_envs.simulation import libsumo_module

    policy = make_controller(controller)
    policy.reset(run.plans)
    views = run.reset(seed)
    decide_every = max(1, round(policy.decision_interval))
    stages = policy.decide(views)
    for second in range(at + seconds + 1):
        if second >= at and (second - at) % every == 0:
            yield take_scene(libsumo_module(), run.now, run.plan_set.plans)
        if second and second % decide_every == 0:
            stages = policy.decide(run.views())
        run.advance(stages, 1)
