"""Scenarios from OpenStreetMap: streets and signals by netconvert, demand by randomTrips.

imported = import_osm("map.osm", "runs/town", seed=1)
imported.scenario, imported.findings
"""

from stopline_envs.osm.importing import Imported, import_osm

__all__ = ["Imported", "import_osm"]
