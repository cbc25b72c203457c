"""A simulated microscope for `simulate`, `demo` and the benchmarks: settings in, START, frames and truth out.

Composes the simulator of `engine.optics` with the wire contract; renders its cells once and keeps them in a cache
folder. Everything it makes is synthetic and says so.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from phenostream.daemon.client.stream import SourceFrame
from phenostream.daemon.wire.ingest import Name, Start
from phenostream.deploy.bench.truth import Truth, TruthFrame
from phenostream.engine.errors import BadConfig
from phenostream.engine.optics.cells import KINDS
from phenostream.engine.optics.presets import Preset
from phenostream.engine.optics.rendering import BankSpec
from phenostream.engine.optics.scene import FrameSimulator, SceneSettings, SimulatedFrame
from phenostream.engine.types import LARGEST_PIXEL_UM, SHOTS, SMALLEST_PIXEL_UM
from phenostream.trainer.data.bank_cache import bank_path, load_or_render

WAVELENGTH_UM = 0.515
NUMERICAL_APERTURE = 0.5


@dataclass(frozen=True, slots=True)
class MicroscopeSettings:
    """What to simulate.

    Attributes:
        size_px: Side of the square frame, camera pixels; 128 to 8192.
        pixel_size_um: Camera pixel at the sample, 0.05 to 0.9.
        preset: ``easy`` keeps cells 14 µm apart; ``hard`` lets them touch.
        seed: Same seed, same bytes.
        cells: Objects in a frame, or None for the preset's density.
        rendered: Distinct rendered objects to draw from; each appears in eight orientations.
        instrument: Name in every result; a name of the wire contract.
        wired: What the shots announced as left, right, top and bottom truly are; one named twice is repeated.
    """

    size_px: int = 2048
    pixel_size_um: float = 0.1715
    preset: Preset = "easy"
    seed: int = 0
    cells: int | None = None
    rendered: int = 200
    instrument: str = "simulated-dpc"
    wired: tuple[str, ...] = SHOTS

    def __post_init__(self) -> None:
        if not 128 <= self.size_px <= 8192:
            raise BadConfig(f"--size {self.size_px}: allowed 128 to 8192 pixels")
        if not SMALLEST_PIXEL_UM <= self.pixel_size_um <= LARGEST_PIXEL_UM:
            raise BadConfig(
                f"--pixel-size-um {self.pixel_size_um:g}: "
                f"allowed {SMALLEST_PIXEL_UM:g} to {LARGEST_PIXEL_UM:g}"
            )
        if not 0 <= self.seed < 2**63:
            raise BadConfig(f"--seed {self.seed}: allowed 0 to 2^63 - 1")
        if self.cells is not None and not 0 <= self.cells <= 20_000:
            raise BadConfig(f"--cells {self.cells}: allowed 0 to 20000 in a frame")
        if len(self.wired) != len(SHOTS) or not set(self.wired) <= set(SHOTS):
            raise BadConfig(
                f"--wired {','.join(self.wired)}: allowed {len(SHOTS)} of {', '.join(SHOTS)} with commas between"
            )
        try:
            TypeAdapter(Name).validate_python(self.instrument)
        except ValidationError as err:
            raise BadConfig(
                f"--instrument {self.instrument!r}: allowed 1 to 64 letters, digits, '.', '_' and '-', "
                "beginning with a letter or a digit"
            ) from err


@dataclass(slots=True)
class SimulatedMicroscope:
    """Frames of one seed, in order, with their truth remembered as they are made.

    Attributes:
        settings: What to simulate.
        cache: Folder for rendered cells.
        on_cell: Called after each cell that has to be rendered first.
    """

    settings: MicroscopeSettings
    cache: Path
    on_cell: Callable[[], object] = lambda: None
    _simulator: FrameSimulator = field(init=False)
    _truth: list[TruthFrame] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        wanted = self.settings
        spec = _bank_spec(wanted)
        scene = SceneSettings(
            height_px=wanted.size_px,
            width_px=wanted.size_px,
            pixel_size_um=wanted.pixel_size_um,
            preset=wanted.preset,
            objects=wanted.cells,
        )
        self._simulator = FrameSimulator(
            scene, load_or_render(self.cache, spec, self.on_cell), wanted.seed
        )

    def start(self, run: str, n_expected: int | None) -> Start:
        """The START of a run of this microscope."""
        camera = self._simulator.camera
        return Start(
            run=run,
            instrument=self.settings.instrument,
            pixel_size_um=camera.pixel_size_um,
            dark_level=camera.dark_level,
            white_level=camera.white_level,
            bit_depth=12,
            dtype=camera.dtype,
            height=self.settings.size_px,
            width=self.settings.size_px,
            shots=SHOTS,
            wavelength_um=WAVELENGTH_UM,
            numerical_aperture=NUMERICAL_APERTURE,
            n_expected=n_expected,
            synthetic=True,
            source_utc_ns=time.time_ns(),
        )

    def frame(self, seq: int) -> npt.NDArray[np.uint16]:
        """Counts (4, H, W) of frame `seq`, wired as the settings say; its truth is remembered."""
        made = self._simulator.frame(seq)
        self._truth.append(_truth_of(made))
        if self.settings.wired == SHOTS:
            return made.counts
        return made.counts[[SHOTS.index(shot) for shot in self.settings.wired]]

    def frames(self, count: int) -> Iterator[SourceFrame]:
        """Frames 0 to `count` - 1, each made when it is asked for."""
        return (SourceFrame(seq, self.frame(seq)) for seq in range(count))

    def truth(self) -> Truth:
        """The truth of every frame made so far."""
        return Truth(
            synthetic=True,
            source=f"simulated, preset {self.settings.preset}, seed {self.settings.seed}",
            pixel_size_um=self.settings.pixel_size_um,
            frames=sorted(self._truth, key=lambda frame: frame.frame_seq),
        )


def cache_folder() -> Path:
    """Where rendered cells are kept: ``$XDG_CACHE_HOME/phenostream``, by default under ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "phenostream" / "rendered"


def is_rendered(settings: MicroscopeSettings, cache: Path) -> bool:
    """Whether the cells of these settings are in the cache folder."""
    return bank_path(cache, _bank_spec(settings)).exists()


def _bank_spec(settings: MicroscopeSettings) -> BankSpec:
    return BankSpec(
        seed=settings.seed,
        n=settings.rendered,
        preset=settings.preset,
        purpose="simulate",
        pixel_size_um=settings.pixel_size_um,
    )


def _truth_of(made: SimulatedFrame) -> TruthFrame:
    return TruthFrame(
        frame_seq=made.seq,
        x_px=[round(float(x), 3) for x in made.x_px],
        y_px=[round(float(y), 3) for y in made.y_px],
        kind=[KINDS[kind] for kind in made.kind],
        edge=[bool(edge) for edge in made.edge],
    )
