"""The configuration of summaries: the daemon's own, and the summariser's, which is a process of its own."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from phenostream.daemon.endpoint import BasedPath, based
from phenostream.engine.summary.wording import LANGUAGES, Style

_MIB: Final = 1 << 20
_LONGEST_NAME: Final = 64


def _language_model(name: str, info: ValidationInfo) -> str:
    """A path is told from a name by a slash or by the suffix of such a file."""
    is_path = "/" in name or name.endswith((".gguf", ".json"))
    return str(based(Path(name), info)) if is_path else name


def _known_language(code: str) -> str:
    if code not in LANGUAGES:
        raise ValueError(f"allowed {', '.join(LANGUAGES)}")
    return code


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


class SummaryConfig(BaseModel):
    """How the population is summarised, and who words it: the template, and where there is one a language model.

    Attributes:
        window_s: A summary so often, besides one at the end of a run.
        style: ``bedside``: two or three sentences; ``lab``: all there is; ``line``: one sentence.
        language: Of the text.
        mode: ``grammar``: a language model chooses among true wordings; ``free``: it writes, and a verifier judges;
            ``template``: it is not asked.
        llm: A language model that `phenostream fetch-llm` brought, by its name, or a GGUF file by its path. Empty:
            none.
        deadline_s: A text that is not there by then is not waited for.
        threads: Of the language model.
        memory_bytes: What its process may take; it is ended beyond that.
        reference: File of `phenostream summarise --save-reference`, which every summary is compared with. Empty: none.
        keys: The summariser's folder of `phenostream keys client`, where results and control are on tcp with keys.
        start: `phenostream run` starts the summariser; false: somebody else does, such as a unit of systemd.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    window_s: Annotated[float, Field(ge=0.1, le=86400)] = 10.0
    style: Style = "bedside"
    language: Annotated[str, AfterValidator(_known_language)] = "en"
    mode: Literal["grammar", "free", "template"] = "grammar"
    llm: Annotated[str, Field(max_length=4096), AfterValidator(_language_model)] = ""
    deadline_s: Annotated[float, Field(ge=0.5, le=600)] = 20.0
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    memory_bytes: Annotated[int, Field(ge=256 * _MIB, le=1 << 40)] = 2048 * _MIB
    reference: BasedPath | None = None
    keys: BasedPath | None = None
    start: bool = True

    _none = field_validator("reference", "keys", mode="before")(_none_if_empty)

    @property
    def is_worded(self) -> bool:
        """Whether a language model words summaries."""
        return bool(self.llm) and self.mode != "template"

    @property
    def llm_name(self) -> str:
        """What the site calls its language model, for a reader of summaries."""
        name = Path(self.llm).name
        return "".join(one if one.isprintable() else "?" for one in name)[:_LONGEST_NAME]

    @model_validator(mode="after")
    def _consistent(self) -> "SummaryConfig":
        if self.mode == "free" and self.language != "en":
            raise ValueError(
                f"mode 'free' with language {self.language!r}: allowed 'en', the only one that texts are "
                "verified in, or mode 'grammar'"
            )
        return self
