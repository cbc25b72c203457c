"""In the guest of `power_cut`: writes the product's journal and says over the serial line what it has acknowledged.

`python guest_journal.py sync|nosync`; `nosync` is the negative control: fdatasync does nothing.
"""

import os
import sys
import time
from pathlib import Path

from phenostream.daemon.journal.log import Journal

_GROUP = 8
_PAUSE_S = 0.01
"""Between two groups: a serial line carries the acknowledgements."""


def _nothing(_fd: int) -> None:
    """What a daemon does that forgot to sync."""


def main() -> None:
    """Append, sync, acknowledge, until the power fails."""
    if sys.argv[1] == "nosync":
        vars(os)["fdatasync"] = _nothing
    journal = Journal(Path("/var/journal"), segment_bytes=1 << 20)
    with open("/dev/ttyS0", "w") as serial:
        while True:
            payload = os.urandom(2000)
            records = journal.append([("summary", payload)] * _GROUP)
            journal.sync()
            serial.write(f"ACK {records[-1].offset + 1} .\n")
            serial.flush()
            time.sleep(_PAUSE_S)


if __name__ == "__main__":
    main()
