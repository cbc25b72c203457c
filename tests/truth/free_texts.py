"""``python -m tests.truth.free_texts``: free texts of a real model, for a person to read, with what is refused.

Of each population the words of the template, then what the model wrote of them, try after try until one is taken. What
the verifier says stands below each: whether it is right is for the reader to see. With --keep and --judge the same
texts are judged again after the verifier was changed.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from phenostream.daemon.summariser.author import FREE_TRIES, with_caveat
from phenostream.daemon.summariser.link import Link, WorkerSetup
from phenostream.deploy.language_models.shelf import model_path
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import first
from phenostream.engine.summary.prompt import messages
from phenostream.engine.summary.verify import faults
from phenostream.engine.summary.wording import STYLES, Style, plan_of
from tests.engine.summary.populations import population
from tests.truth.table import share

_MOST_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Said:
    """One try.

    Attributes:
        seed: Of the population.
        text: With the caveat.
        seconds: It took.
    """

    seed: int
    text: str
    seconds: float


def main() -> int:
    """Ask, or judge what is kept, and print."""
    told = _arguments()
    kept = json.loads(told.judge.read_text()) if told.judge else None
    tries = [Said(**one) for one in kept] if kept is not None else _asked(told)
    said: list[Said] = []
    taken = 0
    for one in tries:
        facts = population(one.seed)
        if not said or said[-1].seed != one.seed:
            sys.stdout.write(f"\n{one.seed} {first(plan_of(facts, told.style, 'en'))}\n")
        found = faults(one.text, facts)
        taken += not found
        sys.stdout.write(f"  {'refused' if found else 'TAKEN'} {one.seconds:.1f} s: {one.text}\n")
        sys.stdout.write("".join(f"    {fault}\n" for fault in found[:4]))
        sys.stdout.flush()
        said.append(one)
        if told.keep:
            told.keep.write_text(json.dumps([_plain(each) for each in said]))
    populations = len({one.seed for one in said})
    sys.stdout.write(f"\ntexts taken: {share(taken, len(said))}\n")
    sys.stdout.write(f"populations with a free text: {share(taken, populations)}\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.truth.free_texts", description=__doc__)
    parser.add_argument("--populations", type=int, default=12, help="how many (default 12)")
    parser.add_argument("--seed", type=int, default=6, help="of the first (default 6)")
    parser.add_argument("--style", choices=STYLES, default="bedside", help="default: bedside")
    parser.add_argument(
        "--tries", type=int, default=FREE_TRIES, help=f"of each at most (default {FREE_TRIES})"
    )
    parser.add_argument("--llm", default="qwen-1.5b", help="name or path (default qwen-1.5b)")
    parser.add_argument("--deadline", type=float, default=600.0, help="seconds of a text")
    parser.add_argument("--keep", type=Path, help="a file for the texts")
    parser.add_argument("--judge", type=Path, help="judge what such a file holds; ask nobody")
    return parser.parse_args()


def _asked(told: argparse.Namespace) -> Iterator[Said]:
    path = Path(model_path(told.llm))
    with Link(WorkerSetup(path, idle=False)) as link:
        link.open(told.deadline)
        for seed in range(told.seed, told.seed + told.populations):
            yield from _tries(link, seed, told.style, told.tries, told.deadline)


def _tries(link: Link, seed: int, style: Style, tries: int, deadline_s: float) -> Iterator[Said]:
    facts: Facts = population(seed)
    question = messages(facts, style, "en", "free")
    for place in range(tries):
        done = link.complete(
            question, grammar=None, max_tokens=_MOST_TOKENS, deadline_s=deadline_s, seed=place
        )
        text = with_caveat(done.text, facts)
        yield Said(seed, text, done.seconds)
        if not faults(text, facts):
            return


def _plain(one: Said) -> dict[str, object]:
    return {"seed": one.seed, "text": one.text, "seconds": one.seconds}


if __name__ == "__main__":
    raise SystemExit(main())
