"""The visible table of what the doctor looks at, in the order of reading, and the loop over it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from phenostream.deploy.doctor import (
    bundle,
    clock,
    configuration,
    disk,
    endpoints,
    folders,
    gpu,
    keys,
    language_model,
    memory,
    processor,
    sandbox,
    software,
    units,
)
from phenostream.deploy.doctor.account import NotThatUser, may_look
from phenostream.deploy.doctor.finding import Finding, not_run, refused
from phenostream.deploy.doctor.patient import Patient
from phenostream.engine.errors import PhenostreamError

_MEND: Final = "mend what this line names, then look again"


@dataclass(frozen=True, slots=True)
class Section:
    """One thing to look at.

    Attributes:
        look: Tells of it; what it raises is a finding too.
        of_config: Nothing can be told without a configuration.
    """

    name: str
    look: Callable[[Patient], Iterator[Finding]]
    of_config: bool = False


SECTIONS: Final = (
    Section("software", software.look),
    Section("processor", processor.look),
    Section("memory", memory.look),
    Section("GPU", gpu.look),
    Section("clock", clock.look),
    Section("configuration", configuration.look),
    Section("folders", folders.look, of_config=True),
    Section("disk", disk.look, of_config=True),
    Section("endpoints", endpoints.look, of_config=True),
    Section("keys", keys.look, of_config=True),
    Section("bundle", bundle.look, of_config=True),
    Section("language model", language_model.look),
    Section("inference", sandbox.look, of_config=True),
    Section("units", units.look),
)


def examined(patient: Patient) -> Iterator[tuple[str, Finding]]:
    """Section and finding, one after the other, as they are made."""
    for section in SECTIONS:
        yield from ((section.name, finding) for finding in _looked(section, patient))


def _looked(section: Section, patient: Patient) -> list[Finding]:
    """All that one section tells; what it could not look at is one of its findings."""
    if section.of_config and patient.config is None:
        return [not_run(section.name, "there is no configuration to go by")]
    found: list[Finding] = []
    try:
        for finding in section.look(patient):
            found.append(finding)  # noqa: PERF402 - what was found before it failed is kept
    except NotThatUser as err:
        found.append(not_run(section.name, str(err)))
    except PermissionError as err:
        if may_look(patient.account):
            found.append(refused(section.name, err, _MEND))
        else:
            found.append(
                not_run(
                    section.name, f"{err.filename}: we may not look there: sudo phenostream doctor"
                )
            )
    except (PhenostreamError, OSError) as err:
        found.append(refused(section.name, err, _MEND))
    return found
