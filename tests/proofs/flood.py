"""Call a controller as fast as possible: `python flood.py ADDRESS SECONDS`; prints how it went."""

from __future__ import annotations

import asyncio
import sys
import time

import grpc

from stopline.v1 import junction_pb2, junction_pb2_grpc

CALLERS = 64


async def main(address: str, seconds: float) -> None:
    """Run all callers over one connection."""
    served = refused = 0
    ends = time.monotonic() + seconds
    async with grpc.aio.insecure_channel(address) as channel:
        stub = junction_pb2_grpc.JunctionServiceStub(channel)

        async def call() -> None:
            nonlocal served, refused
            while time.monotonic() < ends:
                try:
                    await stub.ListJunctions(junction_pb2.ListJunctionsRequest())
                    served += 1
                except grpc.RpcError:
                    refused += 1

        await asyncio.gather(*(call() for _ in range(CALLERS)))
    print(served, refused)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
