"""ONNX inference on preallocated arrays: one thread, no spinning, no allocation per call."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from stopline_policy.runtime import ort
from stopline_signals.errors import BundleError

MASKED_SCORE = -1e9
"""Score of a stage that may not be chosen."""

Floats = npt.NDArray[np.float32]


class Scorer:
    """Scores rows of observations with an ONNX model.

    Write observations into ``observations[:n]`` and call ``run(n)``: the scores returned are a view of an
    array that the next call overwrites. A row's scores do not depend on the other rows.
    """

    def __init__(
        self, model: bytes, size: int, stages: int, *, capacity: int = 128, where: str = "model"
    ) -> None:
        """Load a model with input ``observation`` [n, size] and output ``scores`` [n, stages]."""
        self.capacity = capacity
        self.observations: Floats = np.zeros((capacity, size), np.float32)
        self._scores: Floats = np.zeros((capacity, stages), np.float32)
        self._session = _session(model, where)
        self._bindings: dict[int, Any] = {}
        self._check(size, stages, where)
        self._first = self._bindings[1]
        self._first_scores = self._scores[0].data

    def run_first(self) -> list[float]:
        """Scores of the first observation alone, without an array in between."""
        self._session.run_with_iobinding(self._first)
        return cast("list[float]", self._first_scores.tolist())

    def run(self, rows: int) -> Floats:
        """Scores [rows, stages] of the first ``rows`` observations."""
        binding = self._bindings.get(rows)
        if binding is None:
            binding = self._bindings[rows] = self._bind(rows)
        self._session.run_with_iobinding(binding)
        return self._scores[:rows]

    def _bind(self, rows: int) -> Any:
        if not 0 < rows <= self.capacity:
            raise ValueError(f"rows must be 1..{self.capacity}, found {rows}")
        binding = self._session.io_binding()
        for bind, name, array in (
            (binding.bind_input, "observation", self.observations),
            (binding.bind_output, "scores", self._scores),
        ):
            shape = (rows, array.shape[1])
            bind(name, "cpu", 0, np.float32, shape, array.ctypes.data)
        return binding

    def _check(self, size: int, stages: int, where: str) -> None:
        """One run on zeros proves names, types and shapes."""
        found = [
            (v.name, v.type, list(v.shape[1:]))
            for v in (*self._session.get_inputs(), *self._session.get_outputs())
        ]
        wanted = [("observation", "tensor(float)", [size]), ("scores", "tensor(float)", [stages])]
        if found != wanted:
            raise BundleError(f"{where}: the model has {found}, not {wanted}; export it again")
        try:
            self.run(1)
        except Exception as error:  # onnxruntime raises classes of its own, without a common base
            raise BundleError(f"{where}: the model does not run ({error}); export it again") from error


def _session(model: bytes, where: str) -> Any:
    options: Any = cast(Any, ort).SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return cast(Any, ort).InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own, without a common base
        raise BundleError(f"{where}: onnxruntime cannot load the model ({error}); export it again") from error
