"""The bundle: whole, signed by whom, and what it says of itself; whether it computes is another section's question."""

from collections.abc import Iterator
from pathlib import Path

from phenostream.daemon.security.trusted_keys import read_trusted_keys
from phenostream.deploy.doctor.account import acting_as
from phenostream.deploy.doctor.finding import Finding, ok, refused, warn
from phenostream.deploy.doctor.patient import Patient
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.errors import BadBundle, BadConfig


def look(patient: Patient) -> Iterator[Finding]:
    """Hashes, signature, and the two things about a model that a reader of its numbers must know."""
    if patient.config is None:
        return
    model = patient.config.model
    try:
        with acting_as(patient.account):
            bundle = load_bundle(Path(model.bundle), read_trusted_keys(model.trusted_keys))
    except (BadBundle, BadConfig) as err:
        yield refused("hashes", err, "bring the bundle again, whole, or name another: model.bundle")
        return
    yield ok("hashes", f"{bundle.identity}: every file is the one that its manifest names")
    yield _signature(bundle, asked=bool(model.trusted_keys))
    if bundle.manifest.synthetic:
        todo = "for trying out only; export one of your own: docs/training.md"
        yield warn("weights", "SYNTHETIC: its results say nothing about blood", todo)
    if bundle.manifest.calibration.status != "calibrated":
        todo = "probabilities and intervals of it promise nothing: docs/evaluation.md"
        yield warn("calibration", "UNCALIBRATED", todo)


def _signature(bundle: Bundle, *, asked: bool) -> Finding:
    if bundle.signed_by is None:
        return ok("signature", "none, and none is asked for (model.trusted_keys)")
    vouched = "a trusted key" if asked else "which no key here vouches for"
    return ok("signature", f"by {bundle.signed_by}, {vouched}")
