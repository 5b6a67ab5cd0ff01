"""A small OpenStreetMap file as an export gives it: two signals at their junctions, one on its approaches."""

from __future__ import annotations

from pathlib import Path

LAT, LON = 52.0, 13.0
_METRE_LAT, _METRE_LON = 1 / 111_320, 1 / 68_500

# Metres east and north of the corner. Signals stand at the junctions X and Z, and on the approaches of Y.
NODES = {
    "W": (-300, 0), "X": (0, 0), "Y": (220, 10), "E": (520, 20), "XN": (0, 250), "XS": (10, -250),
    "YN": (225, 240), "ZE": (260, 250), "Z": (225, 480), "ZN": (230, 700), "ZW": (0, 490), "ZF": (480, 470),
    "yw": (200, 9), "ye": (240, 11), "yn": (221, 32),
}  # fmt: skip
SIGNALS = ("X", "Z", "yw", "ye", "yn")
CROSSINGS = ("XN",)
WAYS = {
    "Main Street": ("W X yw Y ye E", {"highway": "secondary", "lanes": "2", "maxspeed": "50"}),
    "North Road": ("XN X XS", {"highway": "tertiary", "maxspeed": "50"}),
    "Market Lane": ("Y yn YN Z ZN", {"highway": "tertiary", "maxspeed": "30"}),
    "Mill Street": ("ZW Z ZF", {"highway": "residential", "maxspeed": "30"}),
    "Garden Way": ("XN ZW", {"highway": "residential", "oneway": "yes"}),
    "Footpath": ("YN ZE", {"highway": "footway"}),
}


def write_osm(path: Path, *, signals: bool = True) -> Path:
    """Write the file; without signals the map names none."""
    number = {name: index for index, name in enumerate(NODES, 1)}
    rows = ['<osm version="0.6" generator="test">']
    for name, (x, y) in NODES.items():
        place = f'lat="{LAT + y * _METRE_LAT:.7f}" lon="{LON + x * _METRE_LON:.7f}"'
        marks = ['<tag k="highway" v="traffic_signals"/>'] if signals and name in SIGNALS else []
        marks += ['<tag k="highway" v="crossing"/>'] if name in CROSSINGS else []
        rows.append(f'  <node id="{number[name]}" version="1" visible="true" {place}>{"".join(marks)}</node>')
    for way, (name, (nodes, tags)) in enumerate(WAYS.items(), 100):
        rows.append(f'  <way id="{way}" version="1" visible="true">')
        rows += [f'    <nd ref="{number[node]}"/>' for node in nodes.split()]
        rows += [f'    <tag k="{key}" v="{value}"/>' for key, value in {"name": name, **tags}.items()]
        rows.append("  </way>")
    path.write_text("\n".join([*rows, "</osm>"]) + "\n", encoding="utf-8")
    return path
