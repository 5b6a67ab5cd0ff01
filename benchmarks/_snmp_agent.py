"""A light SNMP agent on many ports, run as a process of its own: `python -m benchmarks._snmp_agent COUNT`.

It prints its ports and answers every GET with a number for each object, as fast as it can, until its standard
input closes.
"""

from __future__ import annotations

import selectors
import socket
import sys
from functools import lru_cache

from stopline_cabinets.snmp.codec import Pdu, VarBind, decode, encode_bindings, frame, integer


@lru_cache(maxsize=64)
def _numbers(bindings: tuple[VarBind, ...]) -> bytes:
    return encode_bindings([integer(binding.oid, 34) for binding in bindings])


def serve(count: int) -> None:
    """Answer on `count` ports of loopback."""
    selector = selectors.DefaultSelector()
    ports: list[int] = []
    for _ in range(count):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        ports.append(sock.getsockname()[1])
        selector.register(sock, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    print(*ports, flush=True)
    while True:
        for key, _ in selector.select():
            if not isinstance(key.fileobj, socket.socket):
                return
            data, sender = key.fileobj.recvfrom(2_048)
            request = decode(data)
            answer = request._replace(pdu=Pdu.RESPONSE)
            key.fileobj.sendto(frame(answer, _numbers(request.bindings)), sender)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
