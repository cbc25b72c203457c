"""What a worker takes of memory, and how long it takes for a bedside summary.

`python -m tests.daemon.summariser.measure_worker MODEL.gguf [summaries]`: for each binding that is installed.
"""

import re
import sys
import time
from pathlib import Path
from statistics import median

from phenostream.daemon.summariser.author import Author
from phenostream.daemon.summariser.link import Link, WorkerSetup
from phenostream.daemon.summariser.llm.bindings import installed_bindings
from tests.engine.summary.populations import population

_LONG_S = 120.0
_KEYS = ("VmHWM", "RssFile", "VmData", "VmPeak")


def main() -> None:
    """Print a table."""
    path, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10
    print("binding           load s  median s  longest s   MB:", *_KEYS)  # noqa: T201
    for binding in installed_bindings():
        with Link(WorkerSetup(path, binding=binding, idle=False)) as link:
            began_s = time.monotonic()
            link.open(_LONG_S)
            load_s = time.monotonic() - began_s
            author = Author(link)
            texts = [
                author.write(population(seed), "bedside", "en", "grammar", _LONG_S)
                for seed in range(2, 2 + count)
            ]
            seconds = [text.seconds for text in texts if text.source == "llm-grammar"]
            said = Path(f"/proc/{link.pid}/status").read_text()
            found = dict(re.findall(r"(\w+):\s+(\d+) kB", said))
            took = f"{load_s:7.1f} {median(seconds):9.2f} {max(seconds):10.2f}"
            print(f"{binding:16} {took}       ", *(int(found[key]) // 1000 for key in _KEYS))  # noqa: T201


if __name__ == "__main__":
    main()
