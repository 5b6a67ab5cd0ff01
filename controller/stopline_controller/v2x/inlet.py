"""The socket of the roadside unit: signal requests in, signal status back to whoever sent them."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import stat
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import cast

import structlog

from stopline_controller.identity import Identity, Role
from stopline_controller.limits import Meter, Rate
from stopline_controller.priority_desk import PriorityDesk
from stopline_controller.site_tables import V2xTable
from stopline_controller.v2x.frames import FrameError, Srm, read_srm, write_ssm
from stopline_controller.v2x.translation import RequestError, Translator, minute_of_year, vehicle_name
from stopline_signals.errors import SiteError
from stopline_signals.priority import Progress, State

log = structlog.get_logger(__name__)

COUNTS = 128
"""Sequence numbers of our messages before they begin again."""


class Inlet:
    """Takes frames of trusted peers to the desk that all reports pass; from the services' thread only."""

    def __init__(
        self,
        table: V2xTable,
        desk: PriorityDesk,
        *,
        silence: float = 8.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`silence`: seconds after which a request that is not repeated ends; `wall` tells the time, UTC."""
        self.counts: Counter[str] = Counter()
        """Frames by what became of them: answered, not ours, malformed, refused, too many, stranger."""
        self.address = ""
        """Where it listens, once it does."""
        self._table = table
        self._desk = desk
        self._wall = wall
        self._who = Identity(table.name, Role(table.role), True)
        self._translator = Translator(
            table.inbound, silence=silence, timestamp_required=table.timestamp_required
        )
        self._meter = Meter(Rate(table.frames_per_s, 2 * table.frames_per_s))
        self._sequence = 0
        self._damaged = False

    def take(self, frame: bytes, peer: str) -> bytes | None:
        """What is to be sent back for a frame; None when nothing is."""
        if peer not in self._table.peers:
            self._leave("stranger", f"frames of {peer or 'a nameless socket'} are not taken")
            return None
        if self._meter.take(peer) > 0:
            self._leave("too many", f"over {self._table.frames_per_s:g} frames a second of {peer}")
            return None
        try:
            srm = read_srm(frame)
        except FrameError as error:
            self._note_damage(peer, str(error))
            self._leave("malformed", str(error))
            return None
        self._note_damage(peer, "")
        if not self._translator.ours(srm):
            self.counts["not ours"] += 1
            return None
        return self._answer(srm, self._progress(srm))

    async def run(self) -> None:
        """Listen until cancelled; SiteError when the address cannot be had."""
        async with contextlib.AsyncExitStack() as stack:
            transport = await self._listen()
            stack.callback(transport.close)
            log.info("v2x_listening", address=self.address, peers=len(self._table.peers))
            await asyncio.get_running_loop().create_future()

    def _progress(self, srm: Srm) -> list[Progress]:
        wall = self._wall()
        try:
            made = self._translator.translate(srm, wall)
        except RequestError as error:
            why = str(error)
            for _, row in self._translator.ours(srm):
                self._desk.note(self._who, vehicle_name(srm), row.junction, why)
            return [
                Progress(row.junction, State.REJECTED, reason=why) for _, row in self._translator.ours(srm)
            ]
        progress = self._desk.report(made.report, self._who, made.measured)
        if any(item.state is not State.REJECTED for item in progress):
            self._translator.keep(made, wall)
        return progress

    def _answer(self, srm: Srm, progress: list[Progress]) -> bytes | None:
        refused = all(item.state is State.REJECTED for item in progress)
        self.counts["refused" if progress and refused else "answered"] += 1
        told = self._translator.told(srm, progress)
        if not told:
            return None
        self._sequence = (self._sequence + 1) % COUNTS
        return write_ssm(*minute_of_year(self._wall()), self._sequence, told)

    def _leave(self, what: str, why: str) -> None:
        self.counts[what] += 1
        self._desk.note(self._who, "", "", why)

    def _note_damage(self, peer: str, problem: str) -> None:
        """Say once that frames are damaged, and once that they can be read again."""
        if problem and not self._damaged:
            log.error("v2x_frame_malformed", peer=peer, problem=problem)
        if self._damaged and not problem:
            log.info("v2x_frames_readable_again", peer=peer, malformed=self.counts["malformed"])
        self._damaged = bool(problem)

    async def _listen(self) -> asyncio.DatagramTransport:
        loop, address = asyncio.get_running_loop(), self._table.address
        try:
            if address.startswith("unix:"):
                return await self._listen_unix(Path(address.removeprefix("unix:")))
            host, _, port = address.rpartition(":")
            made, _ = await loop.create_datagram_endpoint(
                lambda: _Frames(self.take), local_addr=(host.strip("[]"), int(port))
            )
            self.address = _name(cast("object", made.get_extra_info("sockname")))
            return made
        except (OSError, ValueError) as error:
            raise SiteError(f"[v2x] address: cannot listen on {address} ({error})") from error

    async def _listen_unix(self, path: Path) -> asyncio.DatagramTransport:
        import socket

        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(path.stat().st_mode):
                path.unlink()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        before = os.umask(0o177)
        try:
            # Nobody but its owner may write to it, from the first moment on.
            listening.bind(str(path))
        finally:
            os.umask(before)
        listening.setblocking(False)
        loop = asyncio.get_running_loop()
        made, _ = await loop.create_datagram_endpoint(lambda: _Frames(self.take), sock=listening)
        self.address = f"unix:{path}"
        return made


def check_extra() -> None:
    """SiteError when what reads the messages is not installed."""
    if importlib.util.find_spec("pycrate_asn1dir") is None:
        raise SiteError("[v2x] needs pycrate, which is not installed: pip install 'stopline[v2x]'")


class _Frames(asyncio.DatagramProtocol):
    """Datagrams of a socket, each answered at once."""

    def __init__(self, take: Callable[[bytes, str], bytes | None]) -> None:
        self._take = take
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        answer = self._take(data, _name(addr))
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)  # type: ignore[arg-type]  # as it came: a path, or host and port


def _name(address: object) -> str:
    """host:port, or the path of a socket."""
    if isinstance(address, tuple):
        host, port = cast("tuple[str, int]", address)[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return address if isinstance(address, str) else ""
