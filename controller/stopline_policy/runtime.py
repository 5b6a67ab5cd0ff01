"""onnxruntime, told before it is loaded that it must not report to anybody.

Since 1.29 its Linux builds keep a device's identity and a queue of events in the user's home, and send them,
model names and inference counts among them, to their maker; `disable_telemetry_events` comes too late for the
first of them (https://github.com/microsoft/onnxruntime/pull/27379). A controller at the kerb talks to nobody
that its site file does not name.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort  # it reads the variable once, when it is loaded

__all__ = ["ort"]
