"""The suite: read-only first, then, if it may, everything the seam promises, under the eye of a monitor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from stopline_cabinets import ConformanceError, check_cabinet
from stopline_hil.conformance.subject import Pause, Subject
from stopline_hil.conformance.watching import LampWatch
from stopline_hil.reports.model import Item, Report, Verdict
from stopline_signals.errors import StoplineError

Progress = Callable[[Item], None]
WATCHER = 103
"""Owner id of the client that only looks."""


async def conform(
    subject: Subject,
    *,
    may_write: Callable[[Sequence[Item]], bool],
    pause: Pause | None = None,
    progress: Progress = lambda _: None,
) -> list[Item]:
    """Judge a cabinet; `may_write` is asked once, with what reading showed, and never about another cabinet.

    `pause` lets cabinet time pass; by default the wall clock's, at the subject's rate.
    """
    wait = pause or _by_the_wall(subject.rate)
    items: list[Item] = []

    async def part(name: str, what: str, work: Callable[[], Awaitable[list[Verdict]]]) -> None:
        try:
            verdicts = await work()
        except (StoplineError, OSError) as error:
            verdicts = [Verdict("the cabinet answers", False, f"{type(error).__name__}: {error}")]
        items.append(Item(name=name, kind=subject.address.partition(":")[0], what=what, verdicts=verdicts))
        progress(items[-1])

    await part("reading", "what it says of itself", lambda: subject.probe(wait))
    known = {verdict.requirement for verdict in items[0].verdicts if verdict.met}
    if known.issuperset(subject.identity) and may_write(items):
        await part("provocations", "what must be refused", lambda: subject.provoke(wait))
        await part("promises", "everything the cabinet seam promises", lambda: _promises(subject, wait))
    return items


async def _promises(subject: Subject, pause: Pause) -> list[Verdict]:
    eye = subject.open(WATCHER, "watcher")
    await eye.connect(lease=False)
    watch = LampWatch(eye, subject)

    async def looking(tenths: int) -> None:
        for _ in range(tenths):
            await pause(1)
            await watch.look()

    try:
        findings = await check_cabinet(subject.open, subject.plan, looking)
    except ConformanceError as error:
        findings = error.findings
    finally:
        await eye.close()
    return [Verdict(*finding) for finding in findings] + watch.verdicts()


def report_of(address: str, items: Sequence[Item], seconds: float, *, wrote: bool) -> Report:
    """The items as a report."""
    facts = {"address": address, "took": f"{seconds:.0f} s"}
    if not wrote:
        facts["SKIPPED"] = "everything that writes: only reading was allowed"
    return Report(
        title="Conformance",
        facts=facts,
        items=items,
        data={
            "address": address,
            "passed": all(item.passed for item in items),
            "wrote": wrote,
            "groups": [
                {
                    "name": item.name,
                    "passed": item.passed,
                    "requirements": [
                        {"requirement": v.requirement, "met": v.met, "detail": v.detail}
                        for v in item.verdicts
                    ],
                }
                for item in items
            ],
        },
        seconds=seconds,
    )


def _by_the_wall(rate: float) -> Pause:
    """Cabinet time by the wall clock; work between two pauses counts as time that passed."""
    due = time.monotonic()

    async def pause(tenths: int) -> None:
        nonlocal due
        now = time.monotonic()
        due = max(due, now - 0.05 / rate) + tenths / 10 / rate
        await asyncio.sleep(max(0.0, due - now))

    return pause
