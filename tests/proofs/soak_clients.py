"""What goes on at a controller during the soak: one function per kind of client."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

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
from tests.proofs.controller_rig import Rig


class Place(NamedTuple):
    """Where a client works, and the event that ends it."""

    channel: grpc.Channel
    rig: Rig
    stop: threading.Event


class Work(NamedTuple):
    """One piece of work, done again and again with a pause of so many real seconds."""

    pause: float
    once: Callable[[Place, int], None]


class Client:
    """One client in its thread. It may be refused, on a machine that is busy; it may not fail."""

    def __init__(self, work: Work, server: ServeProcess, rig: Rig, stop: threading.Event) -> None:
        self._work, self._server, self._rig, self._stop = work, server, rig, stop
        self._count = 0
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def ended(self) -> int:
        """Wait for its end; returns how often it did its work."""
        self._thread.join(30)
        if self._failure is not None:
            raise self._failure
        return self._count

    def _run(self) -> None:
        try:
            with self._server.channel() as channel:
                place = Place(channel, self._rig, self._stop)
                while not self._stop.is_set():
                    with _refusals_allowed():
                        self._work.once(place, self._count)
                        self._count += 1
                    self._stop.wait(self._work.pause)
        except BaseException as error:  # told by `ended`
            self._failure = error


@contextlib.contextmanager
def _refusals_allowed() -> Iterator[None]:
    """A lease that ran out, a cabinet that missed a tick, local plans that are in charge for a moment."""
    try:
        yield
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
            raise


def watch(place: Place, turn: int) -> None:
    """Read a hundred states of all junctions, and leave."""
    stub = junction_pb2_grpc.JunctionServiceStub(place.channel)
    stream = stub.WatchState(junction_pb2.WatchStateRequest())
    for _ in range(100):
        next(stream)
    stream.cancel()


def decide(place: Place, turn: int) -> None:
    """Ask for a decision."""
    readings = bytes([2, 1]) * len(place.rig.bench.cabinets["A"].plan.detectors)
    request = decision_pb2.DecideRequest(junction_id="A", readings=readings)
    decision_pb2_grpc.DecisionServiceStub(place.channel).Decide(request)


def operate(place: Place, turn: int) -> None:
    """Take a junction over and let it go; sometimes let the lease run out instead."""
    stub = override_pb2_grpc.OverrideServiceStub(place.channel)
    lease = stub.AcquireLease(
        override_pb2.AcquireLeaseRequest(junction_id="B", operator="kim", ttl_s=60, reason="soak")
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


def drive(place: Place, turn: int) -> None:
    """An ambulance that approaches, passes, and is gone."""
    stub = priority_pb2_grpc.PriorityServiceStub(place.channel)
    for answer in stub.Report(_approach(f"ambulance {turn}")):
        del answer


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


def change_policies(place: Place, turn: int) -> None:
    """Load, shadow, activate and roll back."""
    stub = policy_pb2_grpc.PolicyServiceStub(place.channel)
    sha = stub.LoadPolicy(pieces(zipped(place.rig.folder / "twin.bundle"))).version.bundle_sha256
    stub.ShadowPolicy(policy_pb2.ShadowPolicyRequest(bundle_sha256=sha, operator="kim"))
    place.stop.wait(1.0)
    stub.ActivatePolicy(
        policy_pb2.ActivatePolicyRequest(bundle_sha256=sha, operator="kim", reason="soak", again=True)
    )
    place.stop.wait(1.0)
    stub.RollBackPolicy(policy_pb2.RollBackPolicyRequest(operator="kim", reason="soak"))


CLIENTS: Mapping[str, Work] = {
    "hundreds of states read": Work(0.1, watch),
    "decisions asked": Work(0.1, decide),
    "take-overs": Work(1.0, operate),
    "ambulances": Work(2.0, drive),
    "policies changed": Work(60.0, change_policies),
}
