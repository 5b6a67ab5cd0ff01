"""Draws scenes of one network: roads once, then lamps, vehicles and people on top, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from stopline_envs.picture.scene import Body, Scene
from stopline_envs.plans import PlanSet
from stopline_envs.plans.net import Lane, Point, junction_shapes
from stopline_signals.errors import ScenarioError

Picture = NDArray[np.uint8]

GROUND, ROAD, PAVEMENT, CYCLE_LANE, STRIPE = "#e9ece6", "#6d7278", "#c9c4b8", "#9a6b62", "#f4f4f4"
INK = "#22262a"
LAMPS = {"G": "#19b34a", "g": "#8fdc5f", "y": "#ffc61a", "Y": "#ffc61a", "r": "#e5322d", "u": "#ff8c1a"}
DARK_LAMP = "#9aa0a6"
BODIES = {
    "passenger": "#1f5fbf",
    "bus": "#0b8f6a",
    "coach": "#0b8f6a",
    "truck": "#7a4a1e",
    "delivery": "#a9672c",
    "bicycle": "#8a2be2",
    "emergency": "#d5002f",
    "tram": "#00798c",
}
OTHER_BODY = "#3c4a5a"
MARGIN_M = 15.0
SMOOTH = 2
"""Pictures are drawn this much larger and then reduced, which smooths their edges."""
LEAST_BODY_PX = 3.0
"""Vehicles are drawn no shorter than this, or nothing is seen of them on the map of a town."""


class MapPicture:
    """A map of a network, or of the surroundings of one signal, on which scenes are drawn."""

    def __init__(
        self,
        plan_set: PlanSet,
        *,
        size: tuple[int, int] = (960, 720),
        around: str | None = None,
        radius_m: float = 110.0,
        title: str = "",
    ) -> None:
        """`size` is width and height in pixels; `around` names the signal to look at from `radius_m` m."""
        if min(size) < 64 or max(size) > 8000:
            raise ScenarioError(f"a picture of {size[0]} x {size[1]} is not drawn; take 64 to 8000 pixels")
        self._size = size
        self._title = title
        lanes = plan_set.network.lanes
        self._corners = _around(plan_set, around, radius_m) if around else _bounds(lanes.values())
        low, high = self._corners
        wide, tall = high[0] - low[0], high[1] - low[1]
        self._scale = SMOOTH * min(size[0] / wide, size[1] / tall)
        self._offset = (
            (SMOOTH * size[0] - self._scale * wide) / 2,
            (SMOOTH * size[1] - self._scale * tall) / 2,
        )
        self._heads = {name: _heads(plan_set, name) for name in plan_set.plans}
        self._base = self._roads(plan_set)

    def draw(self, scene: Scene) -> Picture:
        """The scene as uint8 [height, width, 3]."""
        image = self._base.copy()
        pen = ImageDraw.Draw(image)
        for name, letters in scene.lamps.items():
            self._lamps(pen, self._heads.get(name, ()), letters)
        for body in scene.vehicles:
            self._body(pen, body)
        for x, y in scene.people:
            self._dot(pen, (x, y), 0.6, "#101010")
        image = image.resize(self._size, Image.Resampling.BOX)
        self._caption(ImageDraw.Draw(image), scene)
        return np.asarray(image, dtype=np.uint8)

    def _roads(self, plan_set: PlanSet) -> Image.Image:
        size = SMOOTH * self._size[0], SMOOTH * self._size[1]
        image = Image.new("RGB", size, GROUND)
        pen = ImageDraw.Draw(image)
        for shape in junction_shapes(plan_set.network.path):
            if len(shape) > 2:
                pen.polygon([self._at(point) for point in shape], fill=ROAD)
        crossings = [lane for lane in plan_set.network.lanes.values() if _is_crossing(plan_set, lane)]
        others = [lane for lane in plan_set.network.lanes.values() if not _is_crossing(plan_set, lane)]
        for lane in sorted(others, key=lambda lane: lane.id.startswith(":")):
            if lane.id.startswith(":") and _surface(lane) != ROAD:
                continue  # walking areas and the ways of bikes lie inside the junction's shape
            self._band(pen, lane.shape, lane.width, _surface(lane))
        for lane in crossings:
            for start, end in _stripes(lane):
                self._band(pen, (start, end), 0.5, STRIPE)
        return image

    def _lamps(self, pen: Any, heads: Iterable[tuple[int, Point, Point]], letters: str) -> None:
        for link, start, end in heads:
            colour = LAMPS.get(letters[link], DARK_LAMP) if link < len(letters) else DARK_LAMP
            self._band(pen, (start, end), 1.2, colour)

    def _body(self, pen: Any, body: Body) -> None:
        length = max(body.length, LEAST_BODY_PX * SMOOTH / self._scale)
        half = max(body.width, 0.5 * LEAST_BODY_PX * SMOOTH / self._scale) / 2
        angle = math.radians(90.0 - body.heading)
        ahead, left = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
        corners = [
            (body.x - back * ahead[0] + side * left[0], body.y - back * ahead[1] + side * left[1])
            for back, side in ((0, -half), (0, half), (length, half), (length, -half))
        ]
        outline = "#ff5a4f" if body.speed < 0.1 else None  # who stands still is what a report looks for
        pen.polygon([self._at(p) for p in corners], fill=BODIES.get(body.kind, OTHER_BODY), outline=outline)

    def _caption(self, pen: Any, scene: Scene) -> None:
        hours, rest = divmod(scene.now, 3600)
        clock = f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"
        text = f"{self._title}  {clock}  {len(scene.vehicles)} vehicles" + (
            f"  {len(scene.people)} people" if scene.people else ""
        )
        pen.text((8, 6), text.strip(), fill=INK, font=ImageFont.load_default(14))

    def _band(self, pen: Any, shape: Sequence[Point], width: float, colour: str) -> None:
        pixels = max(1, round(width * self._scale))
        pen.line([self._at(point) for point in shape], fill=colour, width=pixels, joint="curve")

    def _dot(self, pen: Any, place: Point, radius: float, colour: str) -> None:
        x, y = self._at(place)
        reach = max(radius * self._scale, 1.0 * SMOOTH)
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)

    def _at(self, point: Point) -> Point:
        (left, _), (_, top) = self._corners
        x, y = self._offset
        return x + (point[0] - left) * self._scale, y + (top - point[1]) * self._scale


def _bounds(lanes: Iterable[Lane]) -> tuple[Point, Point]:
    points = [point for lane in lanes for point in lane.shape]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return (min(xs) - MARGIN_M, min(ys) - MARGIN_M), (max(xs) + MARGIN_M, max(ys) + MARGIN_M)


def _around(plan_set: PlanSet, signal: str, radius: float) -> tuple[Point, Point]:
    if signal not in plan_set.plans:
        names = ", ".join(plan_set.plans)
        raise ScenarioError(f"no signal {signal!r} to look at; the network has: {names}")
    points = [start for _, start, _ in _heads(plan_set, signal)]
    x = sum(x for x, _ in points) / len(points)
    y = sum(y for _, y in points) / len(points)
    return (x - radius, y - radius), (x + radius, y + radius)


def _heads(plan_set: PlanSet, signal: str) -> tuple[tuple[int, Point, Point], ...]:
    """Each link of a signal with its share of the stop line of its lane, or of the kerb of its crossing."""
    lanes: dict[str, list[int]] = {}
    for movement in plan_set.movements[signal].movements:
        crossing = movement.connection.target if movement.approach.startswith(":") else ""
        lanes.setdefault(crossing or movement.connection.source, []).append(movement.link)
    found: list[tuple[int, Point, Point]] = []
    for name, links in lanes.items():
        lane = plan_set.network.lanes[name]
        starts = [lane.shape[0], lane.shape[-1]] if name.startswith(":") else [lane.shape[-1]]
        for place in starts:
            found += _across(lane, place, sorted(set(links)))
    return tuple(found)


def _across(lane: Lane, place: Point, links: Sequence[int]) -> Iterable[tuple[int, Point, Point]]:
    (ax, ay), (bx, by) = lane.shape[-2:]
    length = math.hypot(bx - ax, by - ay) or 1.0
    left = (-(by - ay) / length, (bx - ax) / length)
    for number, link in enumerate(links):
        first, last = (lane.width * (0.5 - part / len(links)) for part in (number, number + 1))
        yield (
            link,
            (place[0] + left[0] * first, place[1] + left[1] * first),
            (place[0] + left[0] * last, place[1] + left[1] * last),
        )


def _is_crossing(plan_set: PlanSet, lane: Lane) -> bool:
    return plan_set.network.edges.get(lane.edge, ("", ""))[0] == "crossing"


def _surface(lane: Lane) -> str:
    if lane.classes is None:
        return ROAD
    if lane.classes <= {"pedestrian", "wheelchair"}:
        return PAVEMENT
    return CYCLE_LANE if lane.classes <= {"bicycle", "scooter", "moped"} else ROAD


def _stripes(lane: Lane) -> Iterable[tuple[Point, Point]]:
    """The bars of a zebra crossing, across the way people walk."""
    (ax, ay), (bx, by) = lane.shape[0], lane.shape[-1]
    length = math.hypot(bx - ax, by - ay)
    if length == 0.0:
        return
    along, across = ((bx - ax) / length, (by - ay) / length), (-(by - ay) / length, (bx - ax) / length)
    half = lane.width / 2
    for number in range(int(length)):
        at = number + 0.5
        x, y = ax + along[0] * at, ay + along[1] * at
        yield (x + across[0] * half, y + across[1] * half), (x - across[0] * half, y - across[1] * half)
