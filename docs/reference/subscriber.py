"""A subscriber: every record of the journal once and in order, then live. Only pyzmq and msgpack.

python subscriber.py ipc:///tmp/phenostream/results ipc:///tmp/phenostream/control [RUNS [SINCE]]
"""

import sys

import msgpack
import zmq

CONTEXT, JOURNALED = zmq.Context(), (b"result", b"summary", b"status")


def ask(control, **request):
    """The daemon's answer: its header, and the parts behind it."""
    while True:
        with CONTEXT.socket(zmq.DEALER) as socket:  # new each time: no late reply is mistaken
            socket.connect(control)
            socket.send(msgpack.packb({"v": 1, "id": 1, **request}))
            if socket.poll(2000):
                header, *parts = socket.recv_multipart()
                return msgpack.unpackb(header), parts
        # no answer: the daemon is away; when it is back, so is its journal


def held(control, since):
    """Records from offset `since` on, as the journal holds them: (offset, topic, payload)."""
    while True:
        reply, parts = ask(control, type="get", since=since)
        for topic, offset, payload in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            yield int.from_bytes(offset, "big"), topic, payload
        if reply["next"] == since:
            return
        since = reply["next"]  # what it stepped over is lost: retention, or damage


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
        if topic in JOURNALED and newest >= since:  # else it came before, or just now
            yield newest, topic, parts[1]
            since = newest + 1


def main(results, control, runs=-1, since=0):
    starts = {}
    for offset, topic, payload in records(results, control, int(since)):
        body = msgpack.unpackb(payload)
        run, what = body.get("run"), body.get("event") or body.get("text")
        if what == "run_started":
            starts[run] = body["start"]
        elif run and run not in starts:  # it began before `since`, or its beginning is lost
            starts |= {one["run"]: one["start"] for one in ask(control, type="runs")[0]["runs"]}
            print("run", run, "began before:", starts.setdefault(run), flush=True)
        what = what or f"{body['frame_seq']} {body['fate']}"
        print(offset, topic.decode(), run, what, body.get("counts", ""), flush=True)
        if (runs := int(runs) - (what == "run_ended")) == 0:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
