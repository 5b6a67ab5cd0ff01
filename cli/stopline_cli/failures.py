"""Which exceptions are a plain failure a person can act on, and the line that says so."""

from __future__ import annotations

import os

_EXTRA_OF = {
    "sim": ("sumo", "libsumo", "sumolib", "traci", "gymnasium", "pettingzoo", "matplotlib"),
    "train": ("torch", "stable_baselines3", "sb3_contrib", "onnx", "onnxscript", "tensorboard", "optuna"),
    "bench": ("sumo_rl",),
    "v2x": ("pycrate_asn1dir",),
}


def explain(error: Exception) -> str | None:
    """Return the message of a failure with a remedy; None for a bug, whose traceback is wanted.

    With STOPLINE_TRACEBACK set in the environment every failure keeps its traceback.
    """
    from stopline_signals.errors import StoplineError

    if os.environ.get("STOPLINE_TRACEBACK") or isinstance(error, BrokenPipeError):
        return None
    if isinstance(error, StoplineError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return _missing(error)
    if isinstance(error, OSError) and error.strerror is not None:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return None


def _missing(error: ModuleNotFoundError) -> str | None:
    name = (error.name or "").partition(".")[0]
    for extra, modules in _EXTRA_OF.items():
        if name in modules:
            return f"this needs {name}, which is not installed: pip install 'stopline[{extra}]'"
    return None
