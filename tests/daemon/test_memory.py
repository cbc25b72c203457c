"""Freed blocks of a frame's size are used again without page faults."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, threading
from phenostream.daemon.memory import keep_large_blocks
if sys.argv[1] == "kept":
    assert keep_large_blocks()
def fill(): return bytearray(48 << 20)
def work():
    for _ in range(3): fill()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4): fill()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 4)
thread = threading.Thread(target=work, daemon=True); thread.start(); thread.join()
"""


@pytest.mark.skipif("glibc" not in os.confstr("CS_GNU_LIBC_VERSION"), reason="needs glibc")  # type: ignore[operator]  # a string on Linux
@pytest.mark.parametrize(("mode", "faults"), [("kept", False), ("default", True)])
def test_a_large_block_is_faulted_in_once(mode: str, faults: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True
    )
    assert (int(done.stdout) > 1000) == faults
