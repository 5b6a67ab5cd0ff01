"""JunctionService: what the junctions are and what they do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import grpc

from stopline.v1 import junction_pb2, junction_pb2_grpc, state_pb2
from stopline_controller import wire
from stopline_controller.insight import Insights
from stopline_controller.junction import JunctionControl
from stopline_controller.services.refusals import Context, known_junction, refuse
from stopline_controller.snapshots import Hub
from stopline_controller.sources import GRACE, Source

_SOURCES = {message: source for source, message in wire.SOURCES.items()}


class JunctionServicer(junction_pb2_grpc.JunctionServiceServicer):
    """Answers from the newest snapshots; never touches the control loop."""

    def __init__(self, controls: Mapping[str, JunctionControl], hub: Hub, insights: Insights) -> None:
        self._controls = controls
        self._insights = insights
        self._hub = hub
        self._plans = {name: wire.plan_message(control.plan) for name, control in controls.items()}

    async def ListJunctions(  # the name of the RPC
        self, request: junction_pb2.ListJunctionsRequest, context: Context
    ) -> junction_pb2.ListJunctionsResponse:
        """List the junctions."""
        return junction_pb2.ListJunctionsResponse(
            junctions=[
                wire.summary_message(snapshot, plan.digest)
                if (snapshot := self._hub.latest.get(name))
                else junction_pb2.JunctionSummary(junction_id=name, stage=-1, plan_digest=plan.digest)
                for name, plan in self._plans.items()
            ]
        )

    async def GetPlan(
        self, request: junction_pb2.GetPlanRequest, context: Context
    ) -> junction_pb2.GetPlanResponse:
        """Return a plan."""
        name = await known_junction(context, request.junction_id, self._plans)
        return junction_pb2.GetPlanResponse(plan=self._plans[name])

    async def WatchState(
        self, request: junction_pb2.WatchStateRequest, context: Context
    ) -> AsyncIterator[junction_pb2.WatchStateResponse]:
        """Stream states."""
        wanted = [await known_junction(context, name, self._plans) for name in request.junction_ids]
        async for snapshot in self._hub.watch(wanted, request.min_interval_ms / 1000):
            yield junction_pb2.WatchStateResponse(state=wire.state_message(snapshot))

    async def Preview(
        self, request: junction_pb2.PreviewRequest, context: Context
    ) -> junction_pb2.PreviewResponse:
        """Ask the guard, not the cabinet."""
        name = await known_junction(context, request.junction_id, self._plans)
        control, snapshot = self._controls[name], self._hub.latest.get(name)
        if not 0 <= request.stage <= control.engine.all_red:
            await refuse(
                context, grpc.StatusCode.INVALID_ARGUMENT, f"junction {name} has no stage {request.stage}"
            )
        if snapshot is None or snapshot.now is None:
            await refuse(
                context, grpc.StatusCode.UNAVAILABLE, f"the cabinet of junction {name} does not answer"
            )
        state = snapshot.now.state
        source = _SOURCES.get(request.source, Source.CENTRE)
        verdict = control.guard.decide(state, request.stage, GRACE.get(source, 0))
        return junction_pb2.PreviewResponse(
            allowed=verdict.reason is None,
            verdict_stage=verdict.stage,
            reason=str(verdict.reason or ""),
            earliest_tenths=control.engine.earliest(state, request.stage) - state.now,
            transition_tenths=control.engine.transition_time(state, request.stage),
            blocking_source=wire.SOURCES.get(snapshot.ruling.winner.source, state_pb2.SOURCE_UNSPECIFIED),
        )

    async def DescribeJunction(
        self, request: junction_pb2.DescribeJunctionRequest, context: Context
    ) -> junction_pb2.DescribeJunctionResponse:
        """Tell what the policy decided on."""
        name = await known_junction(context, request.junction_id, self._plans)
        snapshot = self._hub.latest.get(name)
        online = snapshot is not None and snapshot.online
        return wire.insight_message(self._controls[name].plan, self._insights.of(name), online)
