"""Spans for OpenTelemetry, where stopline[otel] is installed and the site file asks for them."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, cast

import structlog

from stopline_controller.site_tables import TracingTable

log = structlog.get_logger(__name__)

REMEDY = "pip install 'stopline[otel]', or take [tracing] out of the site file"
_NOTHING: AbstractContextManager[object] = contextlib.nullcontext()


class Tracing:
    """Begins spans; this one begins none and costs a call."""

    def span(self, name: str, **attributes: str | int | float) -> AbstractContextManager[object]:
        """A span around what is done inside."""
        return _NOTHING

    def close(self) -> None:
        """Send what is left."""


class OpenTelemetry(Tracing):
    """Spans of one tracer; `shutdown` sends what is left."""

    def __init__(self, tracer: Any, shutdown: Callable[[], object]) -> None:
        self._tracer = tracer
        self._shutdown = shutdown

    def span(self, name: str, **attributes: str | int | float) -> AbstractContextManager[object]:
        """A span, child of the one it is begun in."""
        return cast(
            "AbstractContextManager[object]",
            self._tracer.start_as_current_span(
                name, attributes={f"stopline.{k}": v for k, v in attributes.items()}
            ),
        )

    def close(self) -> None:
        """Send what is left."""
        self._shutdown()


NO_TRACING = Tracing()


def open_tracing(table: TracingTable | None, site: str) -> Tracing:
    """Tracing as the site file asks for; without the extra a line in the log says that there is none."""
    if table is None:
        return NO_TRACING
    try:
        return _open(table, site)
    except ImportError as error:
        log.warning("tracing_not_installed", error=str(error), remedy=REMEDY)
        return NO_TRACING


def _open(table: TracingTable, site: str) -> Tracing:
    # Optional, and without types where it is not installed.
    sdk: Any = importlib.import_module("opentelemetry.sdk.trace")
    export: Any = importlib.import_module("opentelemetry.sdk.trace.export")
    resources: Any = importlib.import_module("opentelemetry.sdk.resources")
    otlp: Any = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    resource = resources.Resource.create({"service.name": "stopline-controller", "service.instance.id": site})
    provider = sdk.TracerProvider(resource=resource)
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter(endpoint=table.endpoint)))
    return OpenTelemetry(provider.get_tracer("stopline"), provider.shutdown)
