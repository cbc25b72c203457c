"""What a text must say, whatever else it says."""

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
    return faults
