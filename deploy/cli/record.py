"""Receive a microscope's frames into a recording, exactly as they were sent.

Takes the place of the daemon: the microscope sends to --from, every frame is acknowledged as `dropped (recorded, not
classified)` once it is on disk. Stops at Ctrl-C, or with --until-end when the run has ended.

Example:
  phenostream record --from ipc:///tmp/phenostream/ingest cells.phenorec --until-end
"""

import argparse
import signal
import threading
from contextlib import ExitStack
from pathlib import Path

from phenostream.deploy.cli.endpoints import INGEST
from phenostream.deploy.cli.terminal import note, progress, say, say_json
from phenostream.engine.errors import BadConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--from", dest="url", default=INGEST, metavar="URL", help="endpoint to receive at"
    )
    parser.add_argument("recording", type=Path, metavar="PATH", help="file to write (.phenorec)")
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="DIR",
        help="key folder of `phenostream keys server`, for --from tcp://; its sources may send",
    )
    parser.add_argument(
        "--plain", action="store_true", help="allow --from tcp:// on a network without keys"
    )
    parser.add_argument("--until-end", action="store_true", help="stop when the run has ended")
    parser.add_argument(
        "--compress", type=int, default=0, metavar="0-9", help="zlib level; 0 (default) keeps up"
    )
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")


def run(args: argparse.Namespace) -> int:
    """Record until told to stop; exit code 3 when the recording is incomplete."""
    from phenostream.daemon.recordings.recorder import RecorderOptions, record

    if not 0 <= args.compress <= 9:
        raise BadConfig(f"--compress {args.compress}: allowed 0 to 9")
    options = RecorderOptions(
        level=args.compress, until_end=args.until_end, keys=args.keys, plain=args.plain
    )
    stop = threading.Event()
    with ExitStack() as handlers, progress(None, "recorded", "frame") as bar:
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda _number, _frame: stop.set())
            handlers.callback(signal.signal, number, before)
        try:
            facts = record(
                args.url,
                args.recording,
                options,
                stop=stop,
                on_bound=lambda endpoint: note(f"recording what is sent to {endpoint}"),
                on_frame=lambda _ack: bar.update(),
            )
        except BadConfig as err:
            raise BadConfig(str(err).replace("endpoint:", "--from", 1)) from err
    if args.json:
        say_json(facts.as_dict())
    else:
        for line in facts.lines():
            say(line)
    return 0 if facts.complete else 3
