"""The language model: which one words summaries, that it is the file that was fetched, and what could run it."""

from collections.abc import Iterator
from pathlib import Path

from phenostream.daemon.summariser.llm.bindings import installed_bindings
from phenostream.deploy.doctor.finding import Finding, ok, refused, warn
from phenostream.deploy.doctor.patient import Patient
from phenostream.deploy.language_models.catalogue import by_hash
from phenostream.deploy.language_models.shelf import fetched_models, models_folder, sha256_of
from phenostream.deploy.narrator import narrator, who_words
from phenostream.engine.errors import BadLanguageModel, MissingPackage


def look(patient: Patient) -> Iterator[Finding]:
    """What is here, and what the configuration asks for."""
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
