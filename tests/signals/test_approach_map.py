"""The map of approaches: what is read, what is refused and how, and that its plane is one."""

from __future__ import annotations

import tomllib
from itertools import pairwise
from typing import Any

import pytest
import tomlkit

from stopline_signals.approach_map import FORMAT, ApproachMap, MapError, map_from_table, map_to_table

TEXT = """
format = "stopline-approaches-1"

[[approach]]
name = "a"
junction = "J1"
approach = "west"
path = [[52.26, 10.52], [52.26, 10.53], [52.265, 10.53]]
then = ["b"]

[[approach]]
name = "b"
junction = "J2"
approach = "south"
path = [[52.266, 10.53], [52.27, 10.53]]
"""


def read(text: str = TEXT) -> ApproachMap:
    return map_from_table(tomllib.loads(text), "town.toml")


def test_what_is_written_is_read_again() -> None:
    made = read()
    again = map_from_table(
        tomllib.loads(tomlkit.dumps(map_to_table(tuple(made.approaches.values())))), "again"
    )
    assert again.approaches == made.approaches
    assert [row.name for row in made.of_junction("J2")] == ["b"] and made.of_junction("J3") == ()


def test_metres_are_those_on_the_ground() -> None:
    """On the ellipsoid (WGS 84) 0.01 degrees of longitude are 682.6 m there, 0.005 of latitude 556.3 m."""
    line = read().lines["a"]
    assert [b - a for a, b in pairwise(line.marks)] == [
        pytest.approx(682.6, rel=0.004),
        pytest.approx(556.3, rel=0.004),
    ]
    assert line.length == pytest.approx(1_238.9, rel=0.004)
    assert read().onward("a", "b") == pytest.approx(111.3 + 445.1, rel=0.004)


def test_a_path_that_is_joined_in_its_middle_counts_from_there() -> None:
    joined = TEXT.replace("[[52.266, 10.53], [52.27, 10.53]]", "[[52.25, 10.531], [52.27, 10.531]]")
    assert read(joined).onward("a", "b") == pytest.approx(68.2 + 556.3, rel=0.004)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (FORMAT, "stopline-approaches-9", "format must be"),
        ('name = "b"', 'name = "a"', "two of that name"),
        ('then = ["b"]', 'then = ["c"]', "then names 'c'"),
        ('junction = "J1"\n', "", "approach a: junction is missing"),
        ('approach = "west"', "approach = 3", "approach must be a text"),
        ("[[52.266, 10.53], [52.27, 10.53]]", "[[52.266, 10.53]]", "two points or more"),
        ("[52.27, 10.53]]", "[95.0, 10.53]]", "no latitude and longitude"),
        ('approach = "west"', "approach = [3]", "approach must be a text"),
        ("[52.27, 10.53]]", "[nan, 10.53]]", "no latitude and longitude"),
        ("[52.27, 10.53]]", "[10.53, 52.27]]", "m between two points"),
        ("[52.27, 10.53]]", "[52.266, 10.53]]", "no length"),
        ("[[52.266, 10.53], [52.27, 10.53]]", "[52.266, 10.53]", "approach b: path must be a list"),
        ("[[52.266, 10.53], [52.27, 10.53]]", "[[54.266, 10.53], [54.27, 10.53]]", "wider than 100 km"),
        ('approach = "west"', 'approach = "west"\nlanes = 2', "unknown lanes"),
    ],
)
def test_a_map_with_a_mistake_is_refused_by_name(before: str, after: str, words: str) -> None:
    assert before in TEXT
    with pytest.raises(MapError) as raised:
        read(TEXT.replace(before, after, 1))
    assert "town.toml" in str(raised.value) and words in str(raised.value)


def test_all_mistakes_are_told_at_once_and_an_empty_map_is_one() -> None:
    wrong = TEXT.replace('junction = "J1"\n', "").replace("[52.27, 10.53]]", "[95.0, 10.53]]")
    with pytest.raises(MapError) as raised:
        read(wrong)
    assert "2 mistakes" in str(raised.value)
    with pytest.raises(MapError, match="approach 1: must be a table"):
        map_from_table({"format": FORMAT, "approach": [3]}, "town.toml")
    empty: dict[str, Any] = {"format": FORMAT}
    with pytest.raises(MapError, match="has no"):
        map_from_table(empty, "town.toml")
