"""How cells vary in the two presets: `easy` for tests of the pipeline, `hard` for demonstrations.

Knows ranges only (SPEC f.3, widened as ZEROSHOT.md recommends); what a number does is in `cells` and `drawing`. Sizes
were fitted so that the apparent diameters of simulated and real cells agree under one measuring function
(docs/measurements/simulator.md). A pair is the ends of a uniform range unless it is named mean and sd.
"""

from dataclasses import dataclass
from typing import Final, Literal

Preset = Literal["easy", "hard"]
PRESETS: Final[tuple[Preset, ...]] = ("easy", "hard")
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class WhiteRanges:
    """One class of white cells.

    Attributes:
        diameter_um: Mean and sd of the diameter in suspension, µm.
        height: Settled height over diameter.
        edge: Exponent of the body's profile (1 - r²)^edge; 0.5 is an ellipsoid.
        body_dn: Index of the cytoplasm over the medium.
        nucleus_dn: Index of the nucleus over the cytoplasm.
        nucleus_size: Nuclear diameter over the cell's (one nucleus), or share of the volume (lobes).
        nucleus_texture: Relative sd of the nucleus' density.
        body_texture: Relative sd of the cytoplasm's density.
        granules: Number of granules.
        granule_um: Radius of a granule, µm.
        granule_dn: Index of a granule over the cytoplasm.
        harmonics: Relative sd of the outline's second harmonic; higher ones are smaller.
        skirt: How much thinner the cytoplasm is than the cell, over which the nucleus bulges.
        aspect: Mean excess of the outline's length over its width.
        foot: Share of the body that lies lower and wider, like a veil around the cell.
        nucleus_edge: Exponent of the nucleus' profile; 0.5 is a ball, less has steeper sides.
        fine_um: Finest scale of the texture, µm; the coarsest is four times that.
        loss_per_um: Amplitude that structure too fine to be drawn scatters past the objective, per µm of the cell.
    """

    diameter_um: Range
    height: Range
    edge: Range
    body_dn: Range
    nucleus_dn: Range
    nucleus_size: Range
    nucleus_texture: Range
    body_texture: Range
    granules: Range
    granule_um: Range
    granule_dn: Range
    harmonics: float
    skirt: Range
    aspect: float = 0.0
    foot: Range = (0.0, 0.0)
    nucleus_edge: Range = (0.5, 0.5)
    fine_um: Range = (0.45, 0.45)
    loss_per_um: Range = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class RunRanges:
    """What differs from one run to the next, and from one frame to the next; factors are on `camera.CameraSettings`.

    Attributes:
        shading: Factor on the smooth shading's sd, of a run.
        gain: On the spread of the shots' gains, of a run.
        noise: On the sd of shot and read noise, of a run.
        roughness: On the slide's fine roughness, of a frame.
        haze_um: Sd of a coarse optical path (films, and what lies far from focus), µm, of a frame.
        focus_sd_um: A frame's cells lie about one plane; sd of their distances from it, µm.
    """

    shading: Range
    gain: Range
    noise: Range
    roughness: Range
    haze_um: Range
    focus_sd_um: Range


@dataclass(frozen=True, slots=True)
class PresetRanges:
    """Everything that differs between the presets.

    Attributes:
        white: Ranges by class name.
        white_mix: Shares of lymphocytes, granulocytes and monocytes among white cells.
        defocus_um: Distance of a cell from the focal plane, µm.
        red_diameter_um: Mean and sd of a red cell's diameter, µm.
        ghost_share: Share of white cells with a thin ghost attached.
        doublet_share: Share of objects that are two touching cells.
        lobes: Fewest and most lobes of a granulocyte's nucleus.
        red_hollow: From a dome (0) to the full biconcave disc (1).
        na_inner: Inner edges of the lit annulus that objects are seen under, each as often; none: the microscope's own.
        gate_noise: Share of white cells that the gates call by another class' name.
        run: What differs from run to run and frame to frame; None: only what every camera draws.
    """

    white: dict[str, WhiteRanges]
    white_mix: tuple[float, float, float]
    defocus_um: Range
    red_diameter_um: Range
    ghost_share: float
    doublet_share: float
    lobes: tuple[int, int]
    red_hollow: Range = (0.2, 1.0)
    na_inner: tuple[float, ...] = ()
    gate_noise: float = 0.0
    run: RunRanges | None = None


KIND_MIX: Final = {"white": 0.55, "red": 0.35, "debris": 0.10}
"""Shares of the objects in a frame."""

_EASY: Final = PresetRanges(
    white={
        "lymphocyte": WhiteRanges(
            diameter_um=(8.2, 0.8),
            height=(0.5, 0.8),
            edge=(0.45, 0.6),
            body_dn=(0.015, 0.029),
            nucleus_dn=(0.006, 0.014),
            nucleus_size=(0.78, 0.88),
            nucleus_texture=(0.03, 0.12),
            body_texture=(0.02, 0.08),
            granules=(10, 60),
            granule_um=(0.10, 0.22),
            granule_dn=(0.01, 0.02),
            harmonics=0.04,
            skirt=(0.0, 0.3),
        ),
        "granulocyte": WhiteRanges(
            diameter_um=(9.2, 0.9),
            height=(0.5, 0.8),
            edge=(0.42, 0.6),
            body_dn=(0.014, 0.028),
            nucleus_dn=(0.005, 0.019),
            nucleus_size=(0.18, 0.24),
            nucleus_texture=(0.03, 0.12),
            body_texture=(0.04, 0.1),
            granules=(60, 160),
            granule_um=(0.12, 0.28),
            granule_dn=(0.014, 0.026),
            harmonics=0.05,
            skirt=(0.0, 0.3),
        ),
        "monocyte": WhiteRanges(
            diameter_um=(10.1, 1.0),
            height=(0.48, 0.8),
            edge=(0.42, 0.6),
            body_dn=(0.015, 0.029),
            nucleus_dn=(0.006, 0.019),
            nucleus_size=(0.5, 0.72),
            nucleus_texture=(0.03, 0.12),
            body_texture=(0.03, 0.1),
            granules=(30, 110),
            granule_um=(0.10, 0.22),
            granule_dn=(0.01, 0.02),
            harmonics=0.05,
            skirt=(0.1, 0.5),
        ),
    },
    white_mix=(0.35, 0.45, 0.20),
    defocus_um=(-3.0, 3.0),
    red_diameter_um=(8.6, 0.4),
    ghost_share=0.0,
    doublet_share=0.0,
    lobes=(1, 5),
)

_HARD: Final = PresetRanges(
    white={
        "lymphocyte": WhiteRanges(
            diameter_um=(8.0, 0.8),
            height=(0.45, 0.8),
            edge=(0.34, 0.58),
            body_dn=(0.013, 0.032),
            nucleus_dn=(0.005, 0.017),
            nucleus_size=(0.7, 0.9),
            nucleus_texture=(0.03, 0.18),
            body_texture=(0.02, 0.06),
            granules=(5, 50),
            granule_um=(0.10, 0.32),
            granule_dn=(0.003, 0.010),
            harmonics=0.032,
            skirt=(0.0, 0.4),
            aspect=0.10,
            foot=(0.0, 0.15),
            nucleus_edge=(0.22, 0.5),
            fine_um=(0.4, 0.9),
            loss_per_um=(0.0, 0.002),
        ),
        "granulocyte": WhiteRanges(
            diameter_um=(9.1, 0.9),
            height=(0.45, 0.8),
            edge=(0.34, 0.58),
            body_dn=(0.013, 0.032),
            nucleus_dn=(0.003, 0.012),
            nucleus_size=(0.18, 0.34),
            nucleus_texture=(0.03, 0.18),
            body_texture=(0.02, 0.09),
            granules=(40, 130),
            granule_um=(0.10, 0.32),
            granule_dn=(0.003, 0.010),
            harmonics=0.032,
            skirt=(0.0, 0.4),
            aspect=0.10,
            foot=(0.0, 0.15),
            nucleus_edge=(0.22, 0.5),
            fine_um=(0.4, 0.9),
            loss_per_um=(0.0, 0.002),
        ),
        "monocyte": WhiteRanges(
            diameter_um=(10.2, 1.0),
            height=(0.45, 0.8),
            edge=(0.34, 0.58),
            body_dn=(0.013, 0.032),
            nucleus_dn=(0.005, 0.019),
            nucleus_size=(0.45, 0.76),
            nucleus_texture=(0.03, 0.18),
            body_texture=(0.02, 0.08),
            granules=(15, 90),
            granule_um=(0.10, 0.32),
            granule_dn=(0.003, 0.010),
            harmonics=0.032,
            skirt=(0.1, 0.6),
            aspect=0.10,
            foot=(0.0, 0.15),
            nucleus_edge=(0.22, 0.5),
            fine_um=(0.4, 0.9),
            loss_per_um=(0.0, 0.002),
        ),
    },
    white_mix=(0.30, 0.60, 0.10),
    defocus_um=(-3.5, 4.0),
    red_diameter_um=(8.3, 0.7),
    ghost_share=0.10,
    doublet_share=0.05,
    lobes=(1, 5),
    red_hollow=(0.0, 0.6),
    na_inner=(0.40, 0.41, 0.42),
    gate_noise=0.045,
    run=RunRanges(
        shading=(0.5, 2.0),
        gain=(0.3, 2.0),
        noise=(0.75, 1.45),
        roughness=(0.1, 0.8),
        haze_um=(0.0, 0.005),
        focus_sd_um=(1.0, 2.5),
    ),
)

RANGES: Final[dict[Preset, PresetRanges]] = {"easy": _EASY, "hard": _HARD}
