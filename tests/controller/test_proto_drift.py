"""The committed generated code is what the pinned generator makes of the .proto files."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

PROTO = Path(__file__).resolve().parents[2] / "proto"


def _generator() -> object:
    spec = importlib.util.spec_from_file_location("stopline_proto_generate", PROTO / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_code_is_current(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="the generator is a developer tool")
    made = _generator().generate(tmp_path)  # type: ignore[attr-defined]  # loaded by path, proto/ is no package
    names = {path.name for path in made}
    committed = {
        path.name for pattern in ("*_pb2*.py", "*_pb2*.pyi") for path in (PROTO / "stopline/v1").glob(pattern)
    }
    assert names == committed
    for path in made:
        kept = PROTO / "stopline" / "v1" / path.name
        assert path.read_bytes() == kept.read_bytes(), f"run python proto/generate.py: {path.name} differs"


@pytest.mark.parametrize("path", sorted((PROTO / "stopline/v1").glob("*.proto")), ids=lambda path: path.name)
def test_every_field_value_and_rpc_has_its_comment(path: Path) -> None:
    lines = path.read_text().splitlines()
    declares = re.compile(r"^\s*(message|enum|service|rpc|oneof)\s|=\s*\d+;")
    bare = [
        f"{path.name}:{number}: {line.strip()}"
        for number, line in enumerate(lines, 1)
        if declares.search(line) and not lines[number - 2].strip().startswith("//")
    ]
    assert not bare, "\n".join(bare)


def test_no_package_marker_makes_the_namespace_a_package() -> None:
    assert not (PROTO / "stopline" / "__init__.py").exists()
