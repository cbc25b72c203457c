"""Promise 9: a bundle with one bit flipped, cut, lengthened, exchanged or linked is refused before a runtime sees it.

In this process, on the bundle of the package: `open_backend`, through which every runtime is reached, is replaced by
one that remembers having been called.
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from phenostream.daemon import model as served
from phenostream.daemon.model_config import ModelConfig
from phenostream.deploy.bundles import bundle_path
from phenostream.engine.errors import BadBundle
from tests.system.chaos.promise import Outcome, Setting


def _flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def _cut(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content))])


def _lengthen(path: Path, chance: random.Random) -> None:
    with path.open("ab") as file:
        file.write(chance.randbytes(chance.randint(1, 100)))


def _exchange(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.randbytes(path.stat().st_size))


def _link(path: Path, _chance: random.Random) -> None:
    kept = path.parent.with_name("elsewhere")
    shutil.copy(path, kept)
    path.unlink()
    path.symlink_to(kept)


def _remove(path: Path, _chance: random.Random) -> None:
    path.unlink()


HARM: Final[dict[str, Callable[[Path, random.Random], None]]] = {
    "flipped_bits": _flip,
    "cut": _cut,
    "lengthened": _lengthen,
    "exchanged": _exchange,
    "linked": _link,
    "removed": _remove,
}


def run(setting: Setting) -> Outcome:
    """Harm every file in every way."""
    outcome, chance = Outcome(), setting.chance()
    source, watch = bundle_path("demo"), _Watch()
    names = sorted(path.name for path in source.iterdir())
    flips = setting.of(5, 100, 2000)
    try:
        for name in names:
            for harm, times in {**dict.fromkeys(HARM, 1), "flipped_bits": flips}.items():
                for _ in range(times):
                    _try(source, name, harm, setting.folder / "bundle", chance, outcome)
    finally:
        watch.restore()
    outcome.done["files"] = len(names)
    outcome.found = {"reached_a_runtime": watch.calls}
    return outcome


class _Watch:
    """Counts what reaches `open_backend`."""

    def __init__(self) -> None:
        self.calls = 0
        self._names = vars(served)
        self._real = self._names["open_backend"]
        self._names["open_backend"] = self._note

    def _note(self, *_: Any, **__: Any) -> None:
        self.calls += 1
        raise BadBundle("reached the runtime")

    def restore(self) -> None:
        self._names["open_backend"] = self._real


def _try(
    source: Path, name: str, harm: str, folder: Path, chance: random.Random, outcome: Outcome
) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    HARM[harm](folder / name, chance)
    outcome.done[harm] += 1
    try:
        with served.served_model(ModelConfig(bundle=str(folder))):
            outcome.expect(False, f"{name} {harm}: served")
    except BadBundle as err:
        outcome.expect("reached the runtime" not in str(err), f"{name} {harm}: reached a runtime")
