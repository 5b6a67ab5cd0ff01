"""What a small ONNX model consists of, read from its bytes without the `onnx` package (40 MiB at the kerb).

Only what `plain.py` computes is read: nodes with their inputs and attributes, and float or integer constants
kept in the model. Field numbers are those of onnx.proto (ONNX IR version 3 and later).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

GRAPH = 7  # ModelProto
NODE, INITIALIZER = 1, 5  # GraphProto
INPUT, OUTPUT, OPERATOR, ATTRIBUTE, DOMAIN = 1, 2, 4, 5, 7  # NodeProto
NAME, NUMBER, INTEGER = 1, 2, 3  # AttributeProto
DIMS, TYPE, FLOATS, INTEGERS, TENSOR_NAME, RAW = 1, 2, 4, 7, 8, 9  # TensorProto
TYPES: Mapping[int, np.dtype[Any]] = {1: np.dtype("<f4"), 7: np.dtype("<i8")}
"""Numbers of TensorProto.DataType, of those that are read."""

Array: TypeAlias = NDArray[Any]
_Field: TypeAlias = tuple[int, "int | bytes"]


class UnreadModelError(ValueError):
    """The model holds something that is not read here."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operation. Attributes that are neither a float nor an integer are left out."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Graph:
    """Operations in the order they are run in, and constants by name."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]


def read_graph(model: bytes) -> Graph:
    """Nodes and constants of a model; UnreadModelError when there is more to it than is read here."""
    try:
        graph = list(_fields(next(_messages(_fields(model), GRAPH))))
        constants = dict(map(_tensor, _messages(graph, INITIALIZER)))
        return Graph(tuple(map(_node, _messages(graph, NODE))), constants)
    except (ValueError, IndexError, StopIteration, struct.error) as error:
        raise UnreadModelError(f"not read: {error!r}") from error


def _node(raw: bytes) -> Node:
    fields = list(_fields(raw))
    outputs = list(_messages(fields, OUTPUT))
    domains = {domain.decode() for domain in _messages(fields, DOMAIN)}
    if len(outputs) != 1 or not domains <= {"", "ai.onnx"}:
        raise UnreadModelError(f"a node with outputs {outputs} of {domains}")
    return Node(
        next(_messages(fields, OPERATOR)).decode(),
        tuple(name.decode() for name in _messages(fields, INPUT)),
        outputs[0].decode(),
        dict(filter(None, map(_attribute, _messages(fields, ATTRIBUTE)))),
    )


def _attribute(raw: bytes) -> tuple[str, float] | None:
    fields = dict(_fields(raw))
    name, number, integer = fields.get(NAME), fields.get(NUMBER), fields.get(INTEGER)
    if not isinstance(name, bytes):
        return None
    if isinstance(number, bytes):
        return name.decode(), float(struct.unpack("<f", number)[0])
    return (name.decode(), integer) if isinstance(integer, int) else None


def _tensor(raw: bytes) -> tuple[str, Array]:
    fields = list(_fields(raw))
    known = dict(fields)
    name, kind = known.get(TENSOR_NAME), TYPES.get(cast("int", known.get(TYPE)))
    if kind is None or not isinstance(name, bytes):
        raise UnreadModelError(f"a constant of type {known.get(TYPE)!r}")
    # Numbers lie in one field of bytes or in a list of integers; those in a file of their own in neither.
    found = known.get(RAW, known.get(FLOATS))
    values: Array
    if isinstance(found, bytes):
        values = np.frombuffer(found, kind)
    else:
        values = np.array(_numbers(fields, INTEGERS), kind)
    return name.decode(), values.reshape(_numbers(fields, DIMS))


def _messages(fields: Iterator[_Field] | list[_Field], wanted: int) -> Iterator[bytes]:
    return (value for number, value in fields if number == wanted and isinstance(value, bytes))


def _numbers(fields: list[_Field], wanted: int) -> list[int]:
    """Integers of a repeated field, packed or not."""
    numbers: list[int] = []
    for number, value in fields:
        if number == wanted:
            numbers += [value] if isinstance(value, int) else _packed(value)
    return [n - (1 << 64) if n >> 63 else n for n in numbers]


def _packed(raw: bytes) -> list[int]:
    numbers: list[int] = []
    at = 0
    while at < len(raw):
        number, at = _varint(raw, at)
        numbers.append(number)
    return numbers


def _fields(raw: bytes) -> Iterator[_Field]:
    """Fields of a protobuf message in order: integers, or the bytes of all else."""
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(raw, at)
            yield tag >> 3, value
            continue
        if kind not in (1, 2, 5):
            raise UnreadModelError(f"protobuf wire type {kind}")
        size, at = _varint(raw, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
        if at + size > len(raw):
            raise UnreadModelError("cut off")
        yield tag >> 3, raw[at : at + size]
        at += size


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
