"""`phenostream` on a box whose clock says what DATED_UTC_S says: python -m tests.system.dated run --config ...

Stands in for a box whose battery is empty; the wall clock alone is changed, in this process alone.
"""

import os
import sys
import time

from phenostream.deploy.cli.main import main

if __name__ == "__main__":
    offset_s = int(os.environ["DATED_UTC_S"]) - time.time()
    now_s, now_ns = time.time, time.time_ns
    time.time = lambda: now_s() + offset_s
    time.time_ns = lambda: now_ns() + int(offset_s) * 10**9
    sys.exit(main())
