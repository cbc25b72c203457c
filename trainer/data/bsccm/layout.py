"""The names BSCCM and BSCCMNIST use: files, arrays, channels, columns, gates, and the order we keep them in.

Knows names, shapes and ranges (SPEC a.1 to a.6); reads nothing.
"""

from dataclasses import dataclass
from typing import Final, Literal

from phenostream.engine.types import MARKERS

Variant = Literal["BSCCM", "BSCCMNIST"]

METADATA_FILE: Final = "BSCCM_global_metadata.json"
INDEX_FILE: Final = "BSCCM_index.csv"
MARKERS_FILE: Final = "BSCCM_surface_markers.csv"
IMAGES_FOLDER: Final = "BSCCM_images.zarr"

LED_CHANNELS: Final = (
    "Brightfield",
    "DF_50",
    "DF_50_Bottom",
    "DF_50_Right",
    "DF_55",
    "DF_60",
    "DF_60_Bottom",
    "DF_60_Right",
    "DF_65",
    "DF_70",
    "DF_70_Bottom",
    "DF_70_Right",
    "DF_75",
    "DF_80",
    "DF_80_Bottom",
    "DF_80_Right",
    "DF_85",
    "DF_90",
    "DPC_Bottom",
    "DPC_Left",
    "DPC_Right",
    "DPC_Top",
    "LED119",
)
"""Order of axis 0 of an LED image as published; a reader looks positions up in the metadata."""
SHOT_CHANNELS: Final = ("DPC_Left", "DPC_Right", "DPC_Top", "DPC_Bottom")
"""The channels that are our `SHOTS`, in that order."""
BANDS: Final = ("690-", "627-673", "585-625", "550-570", "500-550", "426-446")
FLUOR_CHANNELS: Final = tuple(f"Fluor_{band}" for band in BANDS)

ANTIBODIES: Final = (
    "all",
    "unstained",
    "CD123",
    "CD3",
    "CD19",
    "CD56",
    "HLA-DR",
    "CD45",
    "CD14",
    "CD16",
)
"""Staining conditions; `PackedCells.condition` is an index in this."""
IN_TUBE: Final[dict[str, tuple[bool, bool, bool, bool]]] = {
    **dict.fromkeys(ANTIBODIES, (False, False, False, False)),
    "all": (True, True, True, True),
    "CD45": (False, False, True, False),
    "CD16": (False, False, False, True),
}
"""Which of `MARKERS` a condition can teach; a pool of which only one member was stained is none of them."""

MARKER_COLUMNS: Final = tuple(f"{name}_full_model_unmixed" for name in MARKERS)
SINGLE_COLUMNS: Final = tuple(
    f"{name}_single_antibody_model_unmixed"
    for name in ("CD45", "autofluor", "CD123", "CD19", "CD56", "CD14", "CD16", "HLA-DR", "CD3")
)
CORRECTED_COLUMNS: Final = tuple(f"{name}_shading_corrected" for name in FLUOR_CHANNELS)
INDEX_COLUMNS: Final = (
    "global_index",
    "position_in_fov_y_pix",
    "position_in_fov_x_pix",
    "detection_radius",
    "has_matched_histology_cell",
    "fov_center_x",
    "fov_center_y",
    "fov_center_z",
    "batch",
    "antibodies",
    "imaging_date",
    "data_path",
    "slide_replicate",
)

GATE_PREFIX: Final = "selection_gated_"
GROUPS: Final = ("lymphocyte", "granulocyte", "monocyte", "red", "unknown")
"""What a gate says a cell is; the first four are kinds of a `CellSet` under the same number."""
RED, UNKNOWN = 3, 4


@dataclass(frozen=True, slots=True)
class Gate:
    """One hand-drawn selection on the marker plots: its column's suffix, and the index in `GROUPS` it stands for."""

    suffix: str
    group: int

    @property
    def column(self) -> str:
        """Name of its column."""
        return GATE_PREFIX + self.suffix


GATES: Final = (
    Gate("CD3_hi_CD_16_lo", 0),
    Gate("CD16_hi_CD45_mid", 1),
    Gate("CD16_hi_CD45_lomid", 1),
    Gate("CD16_hi_CD45_lo", 1),
    Gate("CD16_lo_CD45_lo", RED),
    Gate("CD16_none_CD45_mid_and_hi", UNKNOWN),
    Gate("CD45_mid_CD_16_mid", UNKNOWN),
    Gate("CD45_hi_CD_16_lo", 2),
    Gate("CD45_hi_CD_16_mid", 2),
    Gate("CD45_hi_CD_16_hi", 2),
)
"""In the order in which the data set's own package numbers them."""

MOST_COUNTS: Final[dict[Variant, int]] = {"BSCCM": 4095, "BSCCMNIST": 255}
IMAGE_PX: Final[dict[Variant, int]] = {"BSCCM": 128, "BSCCMNIST": 28}
DARK_COUNTS: Final = 30
"""Camera offset of the 12-bit counts (SPEC f.1)."""
ASSUMED_PIXEL_UM: Final = 0.2
"""Camera pixel at the sample where the metadata does not say (SPEC f.1)."""
