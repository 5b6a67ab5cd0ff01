"""PolicyService: which policy decides."""

from __future__ import annotations

import grpc

from stopline.v1 import policy_pb2, policy_pb2_grpc
from stopline_controller.policies import PolicyHost
from stopline_controller.services.refusals import Context, refuse


class PolicyServicer(policy_pb2_grpc.PolicyServiceServicer):
    """Tells about the policy in charge."""

    def __init__(self, host: PolicyHost | None) -> None:
        self._host = host

    async def GetPolicy(  # the name of the RPC
        self, request: policy_pb2.GetPolicyRequest, context: Context
    ) -> policy_pb2.GetPolicyResponse:
        """The active policy."""
        if self._host is None:
            await refuse(context, grpc.StatusCode.NOT_FOUND, "this site runs without a policy")
        facts = self._host.facts
        return policy_pb2.GetPolicyResponse(
            name=facts.name,
            bundle_sha256=facts.bundle_sha256,
            decision_interval_s=facts.decision_interval,
            encoder_version=facts.encoder_version,
            signature_verified=facts.signed,
        )
