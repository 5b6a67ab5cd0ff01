"""One vehicle's reports to several controllers: each has its own line, and no line waits for another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Self

import grpc

from stopline.v1 import priority_pb2, priority_pb2_grpc
from stopline_cli.connection import Connection

AGAIN_S = 1.0
"""Seconds between two attempts to reach a controller."""
LAST_S = 2.0
"""How long the controllers have to answer the last report."""

OnAnswer = Callable[[str, priority_pb2.ReportResponse], None]
OnProblem = Callable[[str, str], None]


class FanOut:
    """Lines to all controllers; used as a context, which cancels the vehicle's requests at its end."""

    def __init__(self, connections: Sequence[Connection], on_answer: OnAnswer, on_problem: OnProblem) -> None:
        """`on_answer` and `on_problem` get the controller's address; they are called from several threads.

        A problem is told once until the controller answers again; an empty text says that it does.
        """
        self._lines = [_Line(connection, on_answer, on_problem) for connection in connections]

    def __enter__(self) -> Self:
        for line in self._lines:
            line.start()
        return self

    def __exit__(self, *_: object) -> None:
        for line in self._lines:
            line.end()
        for line in self._lines:
            line.join()

    def send(self, report: priority_pb2.ReportRequest) -> None:
        """Give every controller the newest report; one that is slow or away misses the older ones."""
        for line in self._lines:
            line.put(report)

    @property
    def unheard(self) -> list[str]:
        """Controllers that never answered."""
        return [line.address for line in self._lines if not line.answered]


class _Line(threading.Thread):
    """The stream to one controller, opened again after a failure."""

    def __init__(self, connection: Connection, on_answer: OnAnswer, on_problem: OnProblem) -> None:
        super().__init__(name=f"line to {connection.address}", daemon=True)
        self.address = connection.address
        self.answered = False
        self._channel = connection.channel()
        self._on_answer = on_answer
        self._on_problem = on_problem
        self._problem = ""
        self._news = threading.Condition()
        self._report: priority_pb2.ReportRequest | None = None
        self._ended = threading.Event()

    def put(self, report: priority_pb2.ReportRequest) -> None:
        with self._news:
            self._report = report
            self._news.notify_all()

    def end(self) -> None:
        """Send what is left, then close."""
        with self._news:
            self._ended.set()
            self._news.notify_all()

    def run(self) -> None:
        stub = priority_pb2_grpc.PriorityServiceStub(self._channel)
        while True:
            over = threading.Event()
            try:
                for answer in stub.Report(self._reports(over)):
                    self.answered = True
                    self._tell("")
                    self._on_answer(self.address, answer)
            except grpc.RpcError as error:
                self._tell(str(error.details() if isinstance(error, grpc.Call) else error))
            self._stop_reading(over)
            if self._ended.is_set() or self._ended.wait(AGAIN_S):
                return

    def join(self, timeout: float | None = LAST_S) -> None:
        super().join(timeout)
        self._channel.close()

    def _stop_reading(self, over: threading.Event) -> None:
        """Keep a stream that broke from taking what is meant for the next one."""
        with self._news:
            over.set()
            self._news.notify_all()

    def _reports(self, over: threading.Event) -> Iterator[priority_pb2.ReportRequest]:
        """The newest report whenever there is one, until the end or until the stream is over."""
        while True:
            with self._news:
                self._news.wait_for(lambda: self._report is not None or self._ended.is_set() or over.is_set())
                if over.is_set():
                    return
                report, self._report = self._report, None
            if report is None:
                return
            yield report

    def _tell(self, problem: str) -> None:
        if problem != self._problem and bool(problem) != bool(self._problem):
            self._on_problem(self.address, problem)
        self._problem = problem
