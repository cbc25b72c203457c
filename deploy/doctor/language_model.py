"""The language model: which one words summaries, that it is the file that was fetched, and what could run it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from phenostream.daemon.summariser.llm.bindings import installed_bindings
from phenostream.deploy.doctor.finding import Finding, ok, refused, warn
from phenostream.deploy.doctor.patient import Patient
from phenostream.deploy.doctor.unit_file import UnitFile
from phenostream.deploy.doctor.units import companion_of
from phenostream.deploy.language_models.catalogue import by_hash
from phenostream.deploy.language_models.shelf import fetched_models, models_folder, sha256_of
from phenostream.deploy.narrator import narrator, who_words
from phenostream.engine.errors import BadLanguageModel, MissingPackage

_VARIABLE: Final = "PHENOSTREAM_MODELS"


def look(patient: Patient) -> Iterator[Finding]:
    """What is here, and what the configuration asks for."""
    with _where_its_unit_looks(patient):
        yield from _looked(patient)


@contextmanager
def _where_its_unit_looks(patient: Patient) -> Iterator[None]:
    """Models are looked for where the summariser's unit says, if there is one."""
    unit = None if patient.unit is None else companion_of(patient.unit, "summariser")
    found = None if unit is None else UnitFile.find(unit, patient.root)
    words = [] if found is None else " ".join(found.values("Environment")).split()
    named = dict(word.partition("=")[::2] for word in words).get(_VARIABLE)
    before = os.environ.get(_VARIABLE)
    if named is None:
        yield
        return
    os.environ[_VARIABLE] = named
    try:
        yield
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before


def _looked(patient: Patient) -> Iterator[Finding]:
    models = [model.stem for model in fetched_models(models_folder())]
    if (config := patient.config) is None or not config.summary.is_worded:
        yield ok("models", ", ".join(models) or "none; none is asked for")
        yield ok("runs them", ", ".join(installed_bindings()) or "nothing; nothing need be")
        return
    told = who_words(config.summary)
    if "MISSING" in told or "UNFIT" in told:
        yield warn("summary.llm", told, "phenostream fetch-llm; until then the template words all")
        return
    yield ok("summary.llm", told)
    try:
        model = narrator(config.summary.llm).model
        if model is not None:
            yield _hash(model)
    except (BadLanguageModel, MissingPackage, OSError) as err:
        yield refused("hash", err, "phenostream fetch-llm brings it again")


def _hash(model: Path) -> Finding:
    with model.open("rb") as file:
        sha256 = sha256_of(file)
    listed = by_hash(sha256)
    known = f"{listed.title}, as it was tried with this version" if listed else "none of the table"
    return ok("hash", f"{sha256[:12]}: {known}")
