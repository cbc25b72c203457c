"""Writes the recording of composed real cells, its truth and its layout beside this file, and what the demo ships.

From the root of the repository, where the figures lie in `../shared/data`:

    python -m tests.data.write_real
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from phenostream.daemon.client.stream import SourceFrame
from phenostream.daemon.recordings.writer import write_recording
from phenostream.daemon.wire.ingest import Start
from phenostream.deploy.bench.truth import Truth, TruthFrame, write_truth
from phenostream.engine.types import SHOTS
from tests.data.compose_real import (
    DARK_LEVEL,
    FRAME_PX,
    FRAMES,
    PIXEL_SIZE_UM,
    WHITE_LEVEL,
    PlacedCell,
    compose,
)

_TAKEN_UTC_NS: Final = 1_728_000_000_000_000_000


def start() -> Start:
    """The START of the recording; the cells are real, so it is not synthetic."""
    return Start(
        run="01926dc5-9c00-7000-8000-0000000000b5",
        instrument="bsccm-composed",
        pixel_size_um=PIXEL_SIZE_UM,
        dark_level=DARK_LEVEL,
        white_level=WHITE_LEVEL,
        bit_depth=12,
        dtype="u16",
        height=FRAME_PX,
        width=FRAME_PX,
        shots=SHOTS,
        wavelength_um=0.515,
        numerical_aperture=0.5,
        n_expected=FRAMES,
        synthetic=False,
        source_utc_ns=_TAKEN_UTC_NS,
    )


def truth_of(cells: list[PlacedCell]) -> Truth:
    """For `phenostream bench detect`: white cells without a label."""
    frames = []
    for seq in range(FRAMES):
        here = [cell for cell in cells if cell.frame_seq == seq]
        frames.append(
            TruthFrame(
                frame_seq=seq,
                x_px=[cell.x_px for cell in here],
                y_px=[cell.y_px for cell in here],
                kind=["white"] * len(here),
                edge=[cell.edge for cell in here],
            )
        )
    return Truth(
        synthetic=False,
        source="two real BSCCM cells, composed; see NOTICE.md",
        pixel_size_um=PIXEL_SIZE_UM,
        frames=frames,
    )


def main() -> int:
    """Write what is committed beside this file."""
    here = Path(__file__).parent
    frames, cells = compose()
    recording = here / "real_quads.phenorec"
    recording.unlink(missing_ok=True)
    write_recording(
        recording,
        start(),
        [SourceFrame(seq, frame) for seq, frame in enumerate(frames)],
        level=9,
        note="Two real BSCCM cells (BSD-3-Clause, arXiv 2402.06191), composed; see NOTICE.md.",
        created_utc_ns=_TAKEN_UTC_NS,
    )
    write_truth(here / "real_quads.truth.json", truth_of(cells))
    layout_lines = ",\n".join(json.dumps(asdict(cell)) for cell in cells)
    (here / "real_quads.layout.json").write_text(f"[{layout_lines}]\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
