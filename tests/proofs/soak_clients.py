"""What goes on at a controller during the soak: one function per kind of client, each in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping

import grpc

from stopline.v1 import (
    decision_pb2,
    decision_pb2_grpc,
    junction_pb2,
    junction_pb2_grpc,
    override_pb2,
    override_pb2_grpc,
    policy_pb2,
    policy_pb2_grpc,
    priority_pb2,
    priority_pb2_grpc,
)
from stopline_cli.policy_client import pieces, zipped
from tests.controller.bench import ServeProcess
from tests.proofs.controller_rig import INTERVAL_S, Rig

Work = Callable[[grpc.Channel, Rig, threading.Event], Iterator[object]]
"""Does its work again and again, yielding after each piece; ends when the event is set."""


class Client:
    """One client in its thread; it may not fail."""

    def __init__(self, name: str, work: Work, server: ServeProcess, rig: Rig, stop: threading.Event) -> None:
        self.name = name
        self._work, self._server, self._rig, self._stop = work, server, rig, stop
        self._count = 0
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name)
        self._thread.start()

    def ended(self) -> int:
        """Wait for its end; returns how often it did its work."""
        self._thread.join(10)
        if self._failure is not None:
            raise self._failure
        return self._count

    def _run(self) -> None:
        try:
            with self._server.channel() as channel:
                for _ in self._work(channel, self._rig, self._stop):
                    self._count += 1
                    if self._stop.is_set():
                        return
        except BaseException as error:  # told by `ended`
            self._failure = error


def watch(channel: grpc.Channel, rig: Rig, stop: threading.Event) -> Iterator[object]:
    """Read every state."""
    stream = junction_pb2_grpc.JunctionServiceStub(channel).WatchState(junction_pb2.WatchStateRequest())
    yield from stream
    stream.cancel()


def come_and_go(channel: grpc.Channel, rig: Rig, stop: threading.Event) -> Iterator[object]:
    """Open streams, read a little, and leave."""
    stub = junction_pb2_grpc.JunctionServiceStub(channel)
    while not stop.wait(0.5):
        stream = stub.WatchState(junction_pb2.WatchStateRequest(junction_ids=["A"]))
        next(stream)
        stream.cancel()
        yield None


def decide(channel: grpc.Channel, rig: Rig, stop: threading.Event) -> Iterator[object]:
    """Ask for decisions."""
    stub = decision_pb2_grpc.DecisionServiceStub(channel)
    readings = bytes([2, 1]) * len(rig.bench.cabinets["A"].plan.detectors)
    request = decision_pb2.DecideRequest(junction_id="A", readings=readings)
    while not stop.wait(0.05):
        try:
            yield stub.Decide(request)
        except grpc.RpcError as error:
            # The local plans may be in charge for a moment, or the cabinet missed a tick.
            if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                raise


def operate(channel: grpc.Channel, rig: Rig, stop: threading.Event) -> Iterator[object]:
    """Take a junction over, hold it, let it go; sometimes let the lease run out instead."""
    stub, turn = override_pb2_grpc.OverrideServiceStub(channel), 0
    while not stop.wait(1.0):
        turn += 1
        lease = stub.AcquireLease(
            override_pb2.AcquireLeaseRequest(junction_id="B", operator="kim", ttl_s=15, reason="soak")
        ).lease
        request = override_pb2.OverrideRequest(
            lease_id=lease.lease_id,
            fencing_token=lease.fencing_token,
            idempotency_key=str(turn),
            go_to_stage=override_pb2.GoToStage(stage=turn % 3),
        )
        stub.Override(request)
        if turn % 5:
            stub.ReleaseLease(
                override_pb2.ReleaseLeaseRequest(lease_id=lease.lease_id, fencing_token=lease.fencing_token)
            )
        yield None


def drive(channel: grpc.Channel, rig: Rig, stop: threading.Event) -> Iterator[object]:
    """Ambulances that approach, pass, and are gone."""
    stub, number = priority_pb2_grpc.PriorityServiceStub(channel), 0
    while not stop.wait(2.0):
        number += 1
        for answer in stub.Report(_approach(f"ambulance {number}")):
            del answer
        yield None


def _approach(vehicle: str) -> Iterator[priority_pb2.ReportRequest]:
    for sequence, distance in enumerate(range(300, -1, -60), 1):
        ahead = [priority_pb2.UpcomingJunction(junction_id="A", group="side", distance_m=float(distance))]
        yield priority_pb2.ReportRequest(
            vehicle_id=vehicle,
            vehicle_class=priority_pb2.VEHICLE_CLASS_AMBULANCE,
            speed_mps=14.0,
            sequence=sequence,
            upcoming=ahead if distance else [],
        )
        time.sleep(0.1)


def change_policies(channel: grpc.Channel, rig: Rig, stop: threading.Event) -> Iterator[object]:
    """Load, shadow, activate and roll back."""
    stub = policy_pb2_grpc.PolicyServiceStub(channel)
    bundle = zipped(rig.versions.greedy("twin", INTERVAL_S))
    while not stop.wait(2.0):
        sha = stub.LoadPolicy(pieces(bundle)).version.bundle_sha256
        stub.ShadowPolicy(policy_pb2.ShadowPolicyRequest(bundle_sha256=sha, operator="kim"))
        if stop.wait(4.0):
            return
        stub.ActivatePolicy(
            policy_pb2.ActivatePolicyRequest(bundle_sha256=sha, operator="kim", reason="soak", again=True)
        )
        if stop.wait(4.0):
            return
        stub.RollBackPolicy(policy_pb2.RollBackPolicyRequest(operator="kim", reason="soak"))
        yield None


CLIENTS: Mapping[str, Work] = {
    "states watched": watch,
    "streams opened": come_and_go,
    "decisions asked": decide,
    "take-overs": operate,
    "ambulances": drive,
    "policies changed": change_policies,
}
