"""Regenerates the Python code of `proto/stopline/v1` with the pinned generator.

Run `python proto/generate.py` after a change to a .proto file and commit both. The generated code is
committed so that a bare clone works without a compiler; a test fails when the two differ.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PINNED = {"grpcio-tools": "1.85.1", "mypy-protobuf": "5.1.0"}


def generate(out: Path) -> list[Path]:
    """Writes the generated modules and stubs below `out`; returns their paths.

    Raises:
        RuntimeError: another generator version than the pinned one is installed, or protoc refused a file.
    """
    for package, wanted in PINNED.items():
        found = version(package)
        if found != wanted:
            raise RuntimeError(
                f"{package} is {found}; generated code is made with {wanted}: pip install {package}=={wanted}"
            )
    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "stopline" / "v1").glob("*.proto"))
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        "-I.",
        f"--python_out={out}",
        f"--grpc_python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--mypy_grpc_out=quiet:{out}",
        *sources,
    ]
    # The stub plug-ins are console scripts; they stand beside the interpreter, which need not be on PATH.
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PATH": search}
    )
    if done.returncode != 0:
        raise RuntimeError(f"protoc refused the files in {ROOT}:\n{done.stderr}")
    _without_empty_services(out)
    return sorted(
        path for suffix in ("*_pb2*.py", "*_pb2*.pyi") for path in (out / "stopline" / "v1").glob(suffix)
    )


def _without_empty_services(out: Path) -> None:
    """Drops the gRPC modules of files that declare no service: they hold nothing but a version check."""
    for path in (out / "stopline" / "v1").glob("*_pb2_grpc.py"):
        if "class " not in path.read_text():
            path.unlink()
            path.with_suffix(".pyi").unlink(missing_ok=True)


if __name__ == "__main__":
    for made in generate(ROOT):
        print(made.relative_to(ROOT))
