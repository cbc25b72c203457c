"""A lossless source: sends one run of synthetic frames and loses none. Only pyzmq, msgpack, numpy.

python sender.py ipc:///tmp/phenostream/ingest 20            (--shots: each shot by itself)
"""

import sys
import time
import uuid

import msgpack
import numpy as np
import zmq

SHOTS, SIDE = ["left", "right", "top", "bottom"], 256


def messages(run, seq, single):
    """A frame with one disc, in each shot bright on its lit side: one message, or one a shot."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(float) - 100 - seq % 50
    disc = np.stack([x, -x, -y, y]) * np.exp(-(x**2 + y**2) / 30) / 20
    noise = np.random.default_rng(seq).normal(0, 0.01, disc.shape)
    counts = (2000 * (1 + disc + noise)).astype("<u2")
    told = {"v": 1, "run": run, "frame_seq": seq, "dtype": "u16", "source_utc_ns": time.time_ns()}
    if not single:
        return [({"type": "frame", "shape": counts.shape, **told}, counts.tobytes())]
    told |= {"type": "shot", "shape": (SIDE, SIDE)}
    return [({**told, "illumination": n}, c.tobytes()) for n, c in zip(SHOTS, counts, strict=True)]


class Source:
    """One run; `frames` keeps every frame until its fate is known: nobody else has it."""

    def __init__(self, url, start):
        self.url, self.start, self.frames, self.end, self.report = url, start, {}, None, None
        self.dial()

    def dial(self):
        """A new connection is a new peer: HELLO, the same START, then all that has no fate yet."""
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.connect(self.url)
        self.started, self.sent, self.heard_s = False, {}, time.monotonic()
        hello = {"v": 1, "type": "hello", "instrument": self.start["instrument"]}
        self.socket.send(msgpack.packb(hello))
        self.socket.send(msgpack.packb(self.start))

    def turn(self):
        """Send what the credit allows, then take an answer, or dial again."""
        for seq, parts in self.frames.items() if self.started else ():
            size = sum(len(data) for _, data in parts)
            room = not self.sent or sum(self.sent.values()) + size <= self.credit
            if room and seq not in self.sent:
                self.sent[seq] = size
                for header, data in parts:
                    self.socket.send_multipart([msgpack.packb(header), data])
        if self.started and self.end and not self.frames and not self.sent:
            self.sent["end"] = 0
            self.socket.send(msgpack.packb(self.end))
        if self.socket.poll(100):
            self.heard_s = time.monotonic()
            self.take(**msgpack.unpackb(self.socket.recv()))
        elif time.monotonic() - self.heard_s > 5:  # it is gone, or wants to be dialled again
            self.socket.close(linger=0)
            self.dial()

    def take(self, type, reason=None, frame_seq=None, **told):
        if type == "welcome":
            self.credit = told["credit_bytes"]
        elif type == "started":  # frames up to last_acked have their fate, acknowledged or not
            self.started, last = True, told["last_acked"]
            self.frames = {k: v for k, v in self.frames.items() if last is None or k > last}
        elif type == "ack":
            print(f"frame {frame_seq}: {told['fate']} {reason or ''}", flush=True)
            self.frames.pop(frame_seq, None), self.sent.pop(frame_seq, None)
        elif type == "report":
            self.report = told["ledger"]
        elif reason.startswith("credit"):  # it was not received: it goes out again after an ACK
            self.sent.pop(frame_seq, None)
        elif not reason.startswith(("hello first", "busy", "draining")):
            raise SystemExit(f"refused: {reason}")


def main(url, count, *options):
    run, camera = str(uuid.uuid4()), {"height": SIDE, "width": SIDE, "pixel_size_um": 0.686}
    camera |= {"dtype": "u16", "bit_depth": 12, "dark_level": 0.0, "white_level": 4095.0}
    light = {"shots": SHOTS, "wavelength_um": 0.53, "numerical_aperture": 0.5, "synthetic": True}
    start = {"v": 1, "type": "start", "run": run, "instrument": "reference", **camera, **light}
    source = Source(url, {**start, "n_expected": int(count), "source_utc_ns": time.time_ns()})
    for seq in range(int(count)):
        source.frames[seq] = messages(run, seq, "--shots" in options)
        while len(source.frames) >= 4:  # a camera that cannot wait would drop one, and say so
            source.turn()
    source.end = {"v": 1, "type": "end", "run": run, "n_frames": int(count)}
    while source.report is None:
        source.turn()
    print("report", source.report)
    return 0 if source.report["published"] == int(count) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
