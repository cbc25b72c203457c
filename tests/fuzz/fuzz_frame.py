"""Fuzz `frame_target` with atheris, guided by the coverage of our own validation code.

    python -m tests.fuzz.fuzz_frame [FOLDER] [-runs=N] [-seed=N] [other flags of libFuzzer]

FOLDER keeps what was found worth keeping between runs; without it, and without -runs, it runs for ever. It exits with
another code than 0 at the first input that breaks a promise, and names the file that holds it.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["phenostream.daemon", "phenostream.engine"]):
    from tests.fuzz.frame_target import one_input, seeds


def main(argv: list[str]) -> None:
    """Fuzz with the hand-written seeds beside whatever FOLDER holds."""
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds()):
            (Path(folder) / f"seed-{number:03d}").write_bytes(seed)
        atheris.Setup([*argv, folder], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
