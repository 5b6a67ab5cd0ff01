"""DecisionService: the policy asked without acting, and what the loop's own decisions cost."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping

import grpc

from stopline.v1 import decision_pb2, decision_pb2_grpc
from stopline_controller.clock import Clock
from stopline_controller.decider import Decider, DecisionProblem
from stopline_controller.services.refusals import Context, refuse
from stopline_controller.statistics import Statistics

CODES: Mapping[str, grpc.StatusCode] = {
    "unknown": grpc.StatusCode.NOT_FOUND,
    "input": grpc.StatusCode.INVALID_ARGUMENT,
    "state": grpc.StatusCode.FAILED_PRECONDITION,
}


class DecisionServicer(decision_pb2_grpc.DecisionServiceServicer):
    """The hot path: no logging, no commit, no validation library in here."""

    def __init__(self, decider: Decider, statistics: Statistics, clock: Clock) -> None:
        self._decider = decider
        self._statistics = statistics
        self._clock = clock

    async def Decide(  # the name of the RPC
        self, request: decision_pb2.DecideRequest, context: Context
    ) -> decision_pb2.DecideResponse:
        """Decide once."""
        try:
            return self.decide(request)
        except DecisionProblem as problem:
            await refuse(context, CODES[problem.kind], str(problem))

    async def DecideStream(
        self, request_iterator: AsyncIterator[decision_pb2.DecideStreamRequest], context: Context
    ) -> AsyncIterator[decision_pb2.DecideStreamResponse]:
        """Decide for every request of a stream."""
        async for request in request_iterator:
            try:
                yield decision_pb2.DecideStreamResponse(decision=self.decide(request.decision))
            except DecisionProblem as problem:
                await refuse(context, CODES[problem.kind], str(problem))

    async def GetDecisionStatistics(
        self, request: decision_pb2.GetDecisionStatisticsRequest, context: Context
    ) -> decision_pb2.GetDecisionStatisticsResponse:
        """Report the loop's counters."""
        return statistics_message(self._statistics, self._clock.rate)

    def decide(self, request: decision_pb2.DecideRequest) -> decision_pb2.DecideResponse:
        """Decide without any transport; DecisionProblem says why not."""
        began = time.perf_counter_ns()
        observation = request.observation
        if observation:
            decision = self._decider.from_observation(request.junction_id, observation)
        else:
            decision = self._decider.from_readings(request.junction_id, request.readings)
        return decision_pb2.DecideResponse(
            sequence=request.sequence,
            stage=decision.verdict.stage,
            policy_stage=decision.policy_stage,
            allowed_stages=decision.allowed,
            guard_reason=decision.verdict.reason or "",
            service_us=(time.perf_counter_ns() - began) // 1000,
        )


def statistics_message(statistics: Statistics, rate: float) -> decision_pb2.GetDecisionStatisticsResponse:
    """The counters as a message."""
    return decision_pb2.GetDecisionStatisticsResponse(
        decisions_audited=statistics.decisions_audited,
        plans_accepted=statistics.plans_accepted,
        plans_refused=statistics.plans_refused,
        ticks=statistics.ticks,
        late_ticks=statistics.late_ticks,
        decision_ms_p50=statistics.decision.percentile(0.5),
        decision_ms_p99=statistics.decision.percentile(0.99),
        command_ms_p50=statistics.command.percentile(0.5),
        command_ms_p99=statistics.command.percentile(0.99),
        clock_rate=rate,
        guard_interventions=statistics.guard_interventions,
    )
