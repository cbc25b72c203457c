"""The bounded queue between stages: order, bound, closing and aborting."""

import threading

import pytest

from phenostream.daemon.channel import Aborted, Channel, Closed


def test_items_come_out_in_order() -> None:
    channel: Channel[int] = Channel(10)
    for number in range(5):
        channel.put(number)
    assert [channel.get(0) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert channel.get(0) is None


def test_a_full_channel_blocks_its_producer_until_there_is_room() -> None:
    channel: Channel[int] = Channel(1)
    channel.put(1)
    producer = threading.Thread(target=channel.put, args=(2,), daemon=True)
    producer.start()
    assert channel.full
    assert channel.get(1) == 1
    producer.join(5)
    assert channel.get(1) == 2


def test_a_closed_channel_is_emptied_first() -> None:
    channel: Channel[int] = Channel(3, producers=2)
    channel.put(1)
    channel.close()
    assert channel.get(0) == 1
    assert channel.get(0) is None
    channel.put(2)
    channel.close()
    assert channel.take_all() == [2]
    with pytest.raises(Closed):
        channel.take_all()
    with pytest.raises(Closed):
        channel.get(0)


def test_abort_ends_a_blocked_producer_and_a_blocked_consumer() -> None:
    full: Channel[int] = Channel(1)
    full.put(1)
    empty: Channel[int] = Channel(1)
    ended: list[str] = []

    def wait(name: str, call: object, *args: object) -> None:
        try:
            call(*args)  # type: ignore[operator]  # either method of a channel
        except Aborted:
            ended.append(name)

    threads = [
        threading.Thread(target=wait, args=("put", full.put, 2), daemon=True),
        threading.Thread(target=wait, args=("get", empty.get, 30), daemon=True),
    ]
    for thread in threads:
        thread.start()
    full.abort()
    empty.abort()
    for thread in threads:
        thread.join(5)
    assert sorted(ended) == ["get", "put"]


def test_a_waiting_producer_shows_life() -> None:
    channel: Channel[int] = Channel(1)
    channel.put(1)
    beaten = threading.Event()
    producer = threading.Thread(target=channel.put, args=(2, beaten.set), daemon=True)
    producer.start()
    assert beaten.wait(5)
    channel.get(0)
    producer.join(5)


def test_the_other_side_is_told_of_items_and_of_room() -> None:
    told: list[str] = []
    channel: Channel[int] = Channel(
        1, on_item=lambda: told.append("item"), on_room=lambda: told.append("room")
    )
    channel.put(1)
    channel.get(0)
    channel.put(2)
    channel.take_all()
    channel.close()
    assert told == ["item", "room", "item", "room", "item"]


def test_starved_says_that_a_consumer_waits_in_vain() -> None:
    channel: Channel[int] = Channel(2)
    assert not channel.starved
    consumer = threading.Thread(target=channel.get, args=(30,), daemon=True)
    consumer.start()
    while not channel.starved:
        assert consumer.is_alive()
    channel.put(1)
    consumer.join(5)
    assert not channel.starved


def test_a_nudge_ends_one_wait_now_or_the_next() -> None:
    channel: Channel[int] = Channel(2)
    channel.nudge()
    assert channel.get(60) is None
    got: list[int | None] = []
    consumer = threading.Thread(target=lambda: got.append(channel.get(60)))
    consumer.start()
    while not channel.starved:
        assert consumer.is_alive()
    channel.nudge()
    consumer.join(5)
    assert got == [None]


def test_a_producer_is_told_when_its_consumer_begins_to_wait() -> None:
    told: list[bool] = []
    channel: Channel[int] = Channel(2, on_starved=lambda: told.append(True))
    channel.put(1)
    channel.get(0)
    assert told == []
    channel.get(0)
    assert told == [True]


def test_an_offer_is_taken_or_left_and_never_waits() -> None:
    heard: list[int] = []
    channel: Channel[int] = Channel(2, on_item=lambda: heard.append(1))
    assert channel.offer(1)
    channel.put(2)
    assert not channel.offer(3)
    assert len(heard) == 2
    assert channel.take_all() == [1, 2]
    assert channel.offer(4)
    channel.close()
    assert not channel.offer(5)  # nobody would ever take it
    assert channel.take_all() == [4]
    aborted: Channel[int] = Channel(2)
    aborted.abort()
    assert not aborted.offer(1)
