"""However many ask, the daemon is asked once; and what went wrong is an answer too."""

import asyncio

from phenostream.daemon.monitor.inquiry import Inquiry
from tests.daemon.monitor.told import CARD, STATUS, ToyDaemon


def test_who_asks_together_shares_one_answer() -> None:
    daemon = ToyDaemon()

    async def ask() -> list[dict[str, object] | None]:
        inquiry = Inquiry(lambda: daemon)
        return [one.told for one in await asyncio.gather(*(inquiry.status() for _ in range(20)))]

    assert asyncio.run(ask()) == [STATUS] * 20
    assert daemon.asked == ["status"]


def test_an_answer_is_old_after_a_quarter_of_a_second() -> None:
    daemon, now_s = ToyDaemon(), [0.0]

    async def ask() -> None:
        inquiry = Inquiry(lambda: daemon, clock=lambda: now_s[0])
        for now_s[0] in (10.0, 10.2, 10.3, 10.5):
            await inquiry.status()
        assert (await inquiry.model()).told == CARD

    asyncio.run(ask())
    assert daemon.asked == ["status", "status", "model"]


def test_a_daemon_that_is_away_is_asked_anew_by_a_new_client() -> None:
    away, here = ToyDaemon(None), ToyDaemon()
    clients = iter((away, here))

    async def ask() -> tuple[str, bool]:
        inquiry = Inquiry(lambda: next(clients), fresh_s=0.0)
        first, second = await inquiry.status(), await inquiry.status()
        assert first.told is None
        inquiry.close()
        return first.why, second.told == STATUS

    assert asyncio.run(ask()) == ("ipc:///x: no answer to status within 2 s", True)
    assert away.closed
    assert here.closed
