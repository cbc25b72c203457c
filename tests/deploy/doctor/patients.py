"""Patients for the doctor: a configuration in a folder of the test, and trees that look like a box."""

from pathlib import Path

from phenostream.deploy.child import child_settings
from phenostream.deploy.doctor.finding import Finding
from phenostream.deploy.doctor.patient import Patient, admitted


def patient(folder: Path, settings: str = "", root: Path = Path("/")) -> Patient:
    """One with the demo bundle and, appended, `settings`; of no unit."""
    folder.mkdir(exist_ok=True)
    path = folder / "daemon.toml"
    path.write_text(child_settings("demo") + settings)
    return admitted(path, root)


def installed(root: Path, unit: str, settings: str = "", drop_ins: tuple[str, ...] = ()) -> Patient:
    """One whose configuration and unit lie where `install` puts them, under `root`; runs as whoever tests.

    Args:
        root: Of the tree.
        unit: Text of the unit.
        settings: Appended to the configuration.
        drop_ins: Texts of its drop-ins, in order.
    """
    config = root / "etc/phenostream/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(child_settings("demo") + settings)
    units = root / "etc/systemd/system"
    units.mkdir(parents=True)
    (units / "phenostream.service").write_text(unit)
    for number, text in enumerate(drop_ins):
        path = units / f"phenostream.service.d/{number}.conf"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return admitted(None, root)


def tree(root: Path, **files: str) -> Path:
    """Files of a small /proc and /sys, named by their paths with ``__`` for ``/``; the root."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def the(findings: list[Finding], what: str) -> Finding:
    """The one finding of a name."""
    (found,) = [one for one in findings if one.what == what]
    return found
