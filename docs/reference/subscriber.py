"""A subscriber: every record of the journal once and in order, then live. Only pyzmq and msgpack.

python subscriber.py ipc:///tmp/phenostream/results ipc:///tmp/phenostream/control [RUNS]
"""

import sys

import msgpack
import zmq

CONTEXT, JOURNALED = zmq.Context(), (b"result", b"summary", b"status")


def held(control, since):
    """Records from offset `since` on, as the journal holds them: (offset, topic, payload)."""
    while True:
        with CONTEXT.socket(zmq.DEALER) as socket:  # new each time: no late reply is mistaken
            socket.connect(control)
            socket.send(msgpack.packb({"v": 1, "type": "get", "id": 1, "since": since}))
            if not socket.poll(2000):
                continue  # the daemon is away; when it is back, so is its journal
            reply, *parts = socket.recv_multipart()
        if not (reply := msgpack.unpackb(reply))["n"]:
            return
        for topic, offset, payload in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            yield int.from_bytes(offset, "big"), topic, payload
        since = reply["next"]


def records(results, control, since=0):
    """Every record from `since` on, once and in order, for ever."""
    live = CONTEXT.socket(zmq.SUB)
    for topic in (*JOURNALED, b"highwater", b"welcome"):
        live.subscribe(topic)  # welcome last: when it is answered, the others hold
    live.connect(results)
    while True:
        topic, *parts = live.recv_multipart()
        newest = int.from_bytes(parts[0], "big") if parts else -1
        # The journal has what came before a welcome, what a gap left out, and the tail that a high
        # water mark tells of (2^64 - 1: it is empty).
        gap = topic == b"welcome" or since < newest + (topic == b"highwater") < 2**64
        for record in held(control, since) if gap else ():
            yield record
            since = record[0] + 1
        if topic in JOURNALED and newest == since:  # else it came before, or just now
            yield newest, topic, parts[1]
            since += 1


def main(results, control, runs=-1):
    for offset, topic, payload in records(results, control):
        body = msgpack.unpackb(payload)
        what = body.get("event") or body.get("text") or f"{body['frame_seq']} {body['fate']}"
        print(offset, topic.decode(), body["run"], what, body.get("counts", ""), flush=True)
        if (runs := int(runs) - (what == "run_ended")) == 0:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
