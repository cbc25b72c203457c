"""What a text must say, whatever else it says."""

from collections.abc import Iterator

from phenostream.engine.summary.verify.fault import Fault
from phenostream.engine.summary.verify.reading import Reading


def unmet(reading: Reading) -> list[Fault]:
    """A fault for everything that the text had to say and did not."""
    facts, seen = reading.facts, reading.seen
    ending = reading.text[-40:]
    faults = []
    if "caveat" not in seen or not reading.text.endswith("not a diagnosis."):
        faults.append(
            Fault("caveat", ending, "a text that ends with: Research use only, not a diagnosis.")
        )
    if facts.synthetic and "synthetic" not in seen:
        faults.append(Fault("synthetic", ending, "a text that says what is synthetic"))
    if "confidence" in seen and not facts.calibrated and "uncalibrated" not in seen:
        faults.append(Fault("calibration", ending, "a confidence that is called uncalibrated"))
    faults += [Fault("omission", ending, what) for what in _omitted(reading)]
    return faults


def _omitted(reading: Reading) -> Iterator[str]:
    """What would mislead if it were left out: a reader takes the cells that are told for all there were."""
    facts, seen, account = reading.facts, reading.seen, reading.facts.account
    if facts.flagged.frames and "flagged frames" not in seen:
        yield f"a text that says that {facts.flagged.frames:,} frames were flagged"
    if facts.by_other_models and "frames of another model" not in seen:
        yield f"a text that says that {facts.by_other_models:,} frames were seen by another model"
    for one in facts.drift:
        if one.beyond and f"drift from {one.against}" not in seen:
            yield f"a text that says that {one.beyond:,} watched quantities have drifted"
    lossy = account is not None and account.published != account.announced
    if lossy and "frames left out" not in seen:
        yield "a text that says how many of the frames announced are in it"
