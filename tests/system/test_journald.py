"""The real journald takes our lines with their fields, and journalctl finds them by run and frame.

journald runs with a /run of its own, in a mount namespace that ends with it; nothing of this machine's journal is
touched. As a whole unit: `make service-test`.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.logs import about

pytestmark = pytest.mark.system

JOURNALD = Path("/lib/systemd/systemd-journald")
RUN = "01a0b1c2-0000-7000-8000-000000000001"
AS_ROOT = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal
"$1" & journald=$!
trap 'kill $journald; wait $journald' EXIT
"$2" -c "$3" "$4"
journalctl --directory=/run/log/journal --output=json --all
"""
SAYS = """
import logging, subprocess, sys, time
from phenostream.daemon import logs
end_s = time.monotonic() + 20
while True:  # until it listens
    try:
        handler = logs.JournalHandler("phenostream", "/run/systemd/journal/socket")
        break
    except OSError:
        assert time.monotonic() < end_s
        time.sleep(0.02)
logger, run = logging.getLogger("phenostream.toy"), sys.argv[1]
logger.addHandler(handler)
logger.error("frame %d of run %s\\nfailed", 42, run, extra=logs.about(run, "scope", 42, 7))
logger.warning("\\u00b5" * 1_000_000, extra=logs.about("long"))
logger.warning("last", extra=logs.about("last"))
found = b""
while b"last" not in found:  # the journal lags, and tells nobody
    assert time.monotonic() < end_s
    words = ["journalctl", "--directory=/run/log/journal", "--output=cat", "PHENOSTREAM_RUN=last"]
    found = subprocess.run(words, capture_output=True).stdout
"""


def test_journalctl_finds_our_lines_by_their_fields() -> None:
    if os.geteuid() != 0 or not JOURNALD.exists() or not shutil.which("journalctl"):
        pytest.skip(
            "NOT TESTED: journald takes our lines: needs root, systemd-journald, journalctl"
        )
    command = ["unshare", "--mount", "bash", "-c", AS_ROOT, "bash"]
    told = subprocess.run(
        [*command, str(JOURNALD), sys.executable, SAYS, RUN],
        capture_output=True,
        timeout=50,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    entries = [json.loads(line) for line in told.stdout.splitlines()]
    ours = {one["PHENOSTREAM_RUN"]: one for one in entries if "PHENOSTREAM_RUN" in one}
    failed: dict[str, Any] = ours[RUN]
    subject = {f"PHENOSTREAM_{k.upper()}": str(v) for k, v in about(RUN, "scope", 42, 7).items()}
    assert (
        failed.items()
        >= {
            **subject,
            "MESSAGE": f"frame 42 of run {RUN}\nfailed",
            "PRIORITY": "3",
            "SYSLOG_IDENTIFIER": "phenostream",
            "LOGGER": "phenostream.toy",
            "THREAD_NAME": "MainThread",
        }.items()
    )
    assert failed["_PID"]  # which journald adds itself, so that nobody can lie about it
    assert ours["long"]["MESSAGE"] == "\u00b5" * (32 << 10)
