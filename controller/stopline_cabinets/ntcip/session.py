"""One device, reached and understood: its database checked against the plan, its state looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from stopline_cabinets.errors import CabinetOffline, WrongCabinet
from stopline_cabinets.ntcip.configuration import Configuration, differences, read_configuration
from stopline_cabinets.ntcip.dialing import Device
from stopline_cabinets.ntcip.feeds import Feeds
from stopline_cabinets.ntcip.groups import GroupMap
from stopline_cabinets.ntcip.push import Listener
from stopline_cabinets.ntcip.spat import Spat
from stopline_cabinets.ntcip.status import Board
from stopline_cabinets.ntcip.watcher import DeviceClock, Watcher, fits_push
from stopline_cabinets.snmp.codec import integer
from stopline_cabinets.snmp.peer import Peer
from stopline_signals.errors import CabinetError

_log = structlog.get_logger(__name__)


class Push(NamedTuple):
    """Where signal states are pushed to: a local address, and the numeric host they come from."""

    host: str
    port: int
    sender: str


class News(NamedTuple):
    """What a look found besides lamps and detectors."""

    unit: bool
    """The unit's state is new."""
    restarted: bool


class Session:
    """Reaches a device with `dial` and looks at it; `poll` (seconds) takes the place of its profile's."""

    def __init__(
        self,
        name: str,
        dial: Callable[[], Awaitable[Device]],
        groups: GroupMap,
        feeds: Feeds,
        clock: DeviceClock,
        *,
        push: Push | None = None,
        poll: float | None = None,
    ) -> None:
        self.device: Device | None = None
        self.database_changes = 0
        """Times somebody else changed the cabinet's database since it was reached."""
        self.mismatch: WrongCabinet | None = None
        """Why it is no longer what the plan is for; stays until it is reached anew."""
        self._name = name
        self._dial = dial
        self._groups = groups
        self._feeds = feeds
        self._clock = clock
        self._push = push
        self._poll = poll
        self._seen: tuple[Configuration, Board, Watcher] | None = None
        self._looks = self._restarts = 0

    @property
    def reached(self) -> bool:
        """Whether the device was reached and checked."""
        return self._seen is not None

    @property
    def peer(self) -> Peer:
        """The device, to talk to."""
        if self.device is None:
            raise CabinetOffline(f"{self._name}: not connected; connect first")
        return self.device.peer

    @property
    def configuration(self) -> Configuration:
        """What is programmed in it."""
        return self._parts()[0]

    @property
    def board(self) -> Board:
        """Its objects."""
        return self._parts()[1]

    @property
    def watcher(self) -> Watcher:
        """What was seen last."""
        return self._parts()[2]

    @property
    def pushed_status(self) -> int:
        """Status byte of the latest push, 0 without one."""
        pushed = self.watcher.pushed
        return 0 if pushed is None else pushed.status

    async def reach(self) -> None:
        """Reach it, or make sure that it is still what it was.

        Raises:
            WrongCabinet: it is not what the plan is for.
        """
        if self.device is None:
            self.device = await self._dial()
            _log.info("ntcip_device", cabinet=self._name, device=self.device.description)
        self.device.peer.forget()
        self.database_changes = 0
        self.mismatch = None
        await self._learn()

    async def see(self, *, everything: bool = False, unit: bool = False) -> News:
        """Look at it as `Watcher.look` does.

        Raises:
            WrongCabinet: its database was changed by hand, was read again, and does not fit the plan.
        """
        if self.mismatch is not None:
            raise self.mismatch
        watcher = self.watcher
        await watcher.look(everything=everything, unit=unit)
        if watcher.unit_looks == self._looks:
            return News(unit=False, restarted=False)
        self._looks = watcher.unit_looks
        restarted = watcher.restarts > self._restarts
        self._restarts = watcher.restarts
        if watcher.unit.set_id != self.configuration.set_id:
            await self._database_changed()
        return News(unit=True, restarted=restarted)

    async def adopt(self) -> None:
        """Read the database anew after a change of our own."""
        await self._learn()

    async def enable_push(self) -> None:
        """Ask the device to push its signal state, where its profile knows how; polling is the fallback."""
        device = self.device
        if self._push is None or device is None or device.profile.push_enable is None:
            return
        binding = integer(*device.profile.push_enable)
        try:
            await device.peer.set(lambda: [binding])
        except CabinetError as error:
            _log.warning("ntcip_push_refused", cabinet=self._name, error=str(error))

    def leave(self) -> None:
        """Forget the device."""
        self.device = self._seen = None

    async def _database_changed(self) -> None:
        self.database_changes += 1
        _log.warning("ntcip_database_changed", cabinet=self._name, changes=self.database_changes)
        await self._learn()

    async def _learn(self) -> None:
        """Read the database, and hold the plan against it."""
        before = None if self._seen is None else self._seen[0]
        found = await read_configuration(self.peer, self._groups)
        unlike = differences(self._groups, found)
        if serious := [difference.text for difference in unlike if difference.serious]:
            self.mismatch = WrongCabinet(
                f"{self._name}: is not what the signal plan says: {'; '.join(serious)}; "
                "change the cabinet's database or the plan"
            )
            raise self.mismatch
        if unlike and (before is None or before.set_id != found.set_id):
            _log.warning("ntcip_differs", cabinet=self._name, found=[entry.text for entry in unlike])
        board = Board(self._groups, self._feeds, found)
        if before is not None and self._seen is not None and _same_shape(before, found):
            self._seen = (found, board, self._seen[2])
            return
        self._seen = (found, board, await self._new_watcher(board, found))
        self._looks = self._restarts = 0

    async def _new_watcher(self, board: Board, found: Configuration) -> Watcher:
        assert self.device is not None
        return Watcher(
            self.device.peer,
            board,
            self._clock,
            poll=self.device.profile.poll_s if self._poll is None else self._poll,
            volume_period=found.volume_period,
            push=await self._pushes(),
        )

    async def _pushes(self) -> Callable[[], Spat | None] | None:
        push = self._push
        if push is None or not fits_push(self._groups.highest_phase, self._groups.highest_overlap):
            return None
        return (await Listener.shared(push.host, push.port)).expect(push.sender)

    def _parts(self) -> tuple[Configuration, Board, Watcher]:
        if self._seen is None:
            raise CabinetOffline(f"{self._name}: not connected; connect first")
        return self._seen


def _same_shape(one: Configuration, other: Configuration) -> bool:
    """Whether both have the same objects to look at."""
    return (one.phase_groups, one.max_preempts, one.max_detectors, one.volume_period) == (
        other.phase_groups,
        other.max_preempts,
        other.max_detectors,
        other.volume_period,
    )
