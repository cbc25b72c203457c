"""What it costs to have a language model write every token of a grammar, against its choices only.

`python -m tests.daemon.summariser.measure_guidance MODEL.gguf [populations]`: for each binding that is installed, both
ways in turn over the same summaries, CPU seconds of the whole process, which a busy box changes less than the time.
Before that, what a token costs that is written without a grammar, and one that is read.
"""

import sys
import time
from pathlib import Path
from statistics import median

from phenostream.daemon.summariser.llm.bindings import installed_bindings
from phenostream.daemon.summariser.llm.guided import GuidedModel
from phenostream.daemon.summariser.llm.protocol import Opening
from phenostream.daemon.summariser.llm.writer import Passage, Writer
from phenostream.engine.summary.plan import choices, gbnf, says, split_tail
from phenostream.engine.summary.prompt import messages
from phenostream.engine.summary.wording import STYLES, Style, plan_of
from tests.engine.summary.populations import population

_LONG_S = 600.0
_MOST_TOKENS = 700
_WRITTEN = 64


def main() -> None:
    """Print a table."""
    path, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10
    print("binding           style    whole: CPU s, tokens   guided: CPU s, tokens   ratio")  # noqa: T201
    for binding in installed_bindings():
        writer = writer_of(binding, path)
        written_ms, read_ms = token_ms(writer)
        print(f"{binding}: {written_ms:.1f} ms CPU a token written freely, {read_ms:.1f} ms read")  # noqa: T201
        for style in STYLES:
            rows = [row for seed in range(count) if (row := measured(writer, seed, style))]
            whole, guided = (median(row[k] for row in rows) for k in (0, 2))
            tokens, chosen = (median(row[k] for row in rows) for k in (1, 3))
            ratio = median(row[0] / row[2] for row in rows)
            whole_cost, cost = f"{whole:12.2f} {tokens:8.0f}", f"{guided:15.2f} {chosen:8.0f}"
            print(f"{binding:16}  {style:8} {whole_cost} {cost} {ratio:7.1f}")  # noqa: T201
        writer.close()


def writer_of(binding: str, path: Path) -> Writer:
    """A binding's writer without guidance."""
    opening = Opening(path)
    if binding == "xllamacpp":
        from phenostream.daemon.summariser.llm.xllamacpp import XllamacppWriter

        return XllamacppWriter(opening)
    from phenostream.daemon.summariser.llm.llama_cpp_python import LlamaCppPythonWriter

    return LlamaCppPythonWriter(opening)


def token_ms(writer: Writer) -> tuple[float, float]:
    """CPU milliseconds of a token that is written without a grammar, and of one that is read."""
    question = [{"role": "user", "content": "Tell a long story about a microscope."}]
    read_s = [0.0, 0.0]
    writer.write(Passage(question, "", None, 1), bool)
    began_s = time.process_time()
    writer.write(Passage(question, "", None, _WRITTEN), lambda _piece: False)
    written_s = time.process_time() - began_s
    for k, words in enumerate((_WRITTEN, 4 * _WRITTEN)):
        forget(writer, question)
        began_s = time.process_time()
        writer.write(Passage(question, " cells" * words, None, 1), bool)
        read_s[k] = time.process_time() - began_s
    return 1e3 * written_s / _WRITTEN, 1e3 * (read_s[1] - read_s[0]) / (3 * _WRITTEN)


def measured(writer: Writer, seed: int, style: Style) -> tuple[float, int, float, int] | None:
    """CPU seconds and tokens of one summary, whole and guided; None where there is nothing to choose."""
    facts = population(seed)
    head, _ = split_tail(plan_of(facts, style, "en"))
    if choices(head) < 2:
        return None
    question, grammar = messages(facts, style, "en", "grammar"), gbnf(head)
    forget(writer, question)
    pieces: list[str] = []

    def keep(piece: str) -> bool:
        pieces.extend([piece] if piece else [])
        return False

    began_s = time.process_time()
    writer.write(Passage(question, "", grammar, _MOST_TOKENS), keep)
    whole_s = time.process_time() - began_s
    if not says(head, "".join(pieces)):
        raise SystemExit(f"population {seed}: the whole grammar gave {''.join(pieces)!r}")
    forget(writer, question)
    began_s = time.process_time()
    done = GuidedModel(writer).complete(
        question, grammar=grammar, max_tokens=_MOST_TOKENS, deadline_s=_LONG_S
    )
    return whole_s, len(pieces), time.process_time() - began_s, done.tokens


def forget(writer: Writer, question: list[dict[str, str]]) -> None:
    """Leave nothing but the question in the model's cache."""
    writer.write(Passage(question, "", 'root ::= "?"', 1), bool)


if __name__ == "__main__":
    main()
