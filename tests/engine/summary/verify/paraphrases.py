"""True sentences in other words than ours: frames written by hand, filled with the words of some facts.

A frame is used where all its words are there, so that a frame with ``{major_many}`` is only said of a population with a
majority. Written without looking at `engine/summary/wording`: they are how a person, or a larger model, puts it.
"""

import string
from collections.abc import Iterator
from random import Random
from typing import Final

from phenostream.engine.summary.facts import Facts
from tests.engine.summary.verify.facts_in_words import words_of

FRAMES: Final[dict[str, tuple[str, ...]]] = {
    "found": (
        "{found_cells} {were_found} found in {frames}.",
        "A total of {found_cells} {were_found} detected across {frames}.",
        "In {frames}, {found_cells} {were_found} observed.",
        "{Frames} yielded {found_cells}.",
        "This sample contains {found_cells} from {frames}.",
        "There {were_found} {found_cells} in {frames}.",
        "{classified_n} of the {found_cells} {were_classified} classified.",
        "Of {found_cells} found, {classified_n} {were_classified} classified.",
        "{found_cells} {were_found} found, of which {classified_n} {were_classified} classified.",
        "The sample contains {found_cells}; {classified_n} {were_classified} classified.",
        "No cells were found in {empty_frames}.",
        "The {empty_frames} contained no cells.",
        "Of {found_cells}, {classified_n} were classified as white cells{can_reject}.",
    ),
    "fates": (
        "{rejected_cells} {were_rejected} rejected as not a white cell.",
        "{rejected_cells} {were_rejected} set aside as other objects.",
        "The rejection rate was {rejected_p} (95 % interval {rejected_low} to {rejected_high}).",
        "The reject rate is {rejected_p}.",
        "{edge_cells} lay at a frame's edge.",
        "{edge_cells} {were_edge} cut off by the edge of the frame.",
        "{no_rejected} cells were rejected.",
        "{rejected_cells} ({rejected_p}) {were_rejected} rejected.",
        "{lost_cells} {were_lost} lost to a fault of the engine.",
    ),
    "frames": (
        "{flagged_n} of the {all_frames} {were_flagged} flagged.",
        "Physics checks flagged {flagged_frames}: {dark_n} dark.",
        "{flagged_frames} {were_flagged} flagged, {saturated_n} as saturated.",
        "{no_flagged} frames were flagged.",
        "{dropped_frames} {were_dropped} dropped.",
        "{present_n} of the {announced_n} announced frames are in this summary.",
    ),
    "classes": (
        "The classified cells comprise {counts}.",
        "Among the classified cells there were {counts}.",
        "By class: {shares}.",
        "There were {counts}.",
        "Of the classified cells, {x_p} were {x_many}.",
        "{X_many} make up {x_p} of the classified cells.",
        "{x_n} of the {classified_n} classified cells ({x_p}) were {x_many}.",
        "{X_many}: {x_n} ({x_p}); {y_many}: {y_n} ({y_p}).",
        "The {x_many} are {x_n}, {x_p} (95 % interval {x_low} to {x_high}).",
        "{x_n} {x_many} ({x_p}) were found in the {scope}.",
        "{x_n} cells were classified as {x_many} and {y_n} as {y_many}.",
        "{X_many} accounted for {x_p} and {y_many} for {y_p} of the classified cells.",
        "The classified cells are {x_p} {x_many} and {y_p} {y_many}.",
        "The share of {x_many} is {x_p}, with a 95 % confidence interval of {x_low} to {x_high}.",
        "{X_many} represent {x_p} of the classified cells (95 % CI {x_low} to {x_high}).",
        "{x_p} of the classified cells (between {x_low} and {x_high}) are {x_many}.",
        "{X_n} {x_many} and {y_n} {y_many} were found.",
        "No {absent_many} were found.",
        "{Absent_many} were absent.",
        "None of the classified cells were {absent_many}.",
    ),
    "largest": (
        "Most classified cells were {major_many} ({major_n}).",
        "The classified cells were predominantly {major_many} ({major_p}).",
        "{Major_many} form the majority of the classified cells.",
        "More than half of the classified cells are {major_many}.",
        "The classified cells are dominated by {major_many} ({major_p}).",
        "{Major_many}, with {major_n} cells, are the majority of the classified cells.",
        "The most common class is {large_many} with {large_n} cells.",
        "{Large_many} are the largest group ({large_p}), followed by {second_many} ({second_p}).",
        "The largest class is {large_many} ({large_n}, {large_p}).",
        "{More_many} outnumber {less_many}.",
        "There were more {more_many} than {less_many}.",
        "There were fewer {less_many} than {more_many}.",
        "The smallest class is {small_many} ({small_n}).",
        "{Small_many} are the least common class.",
        "{no_majority} class holds a majority of the classified cells.",
        "{no_majority} single class dominates.",
        "All classified cells are {sole_many}.",
        "The classified cells in the {scope} are mostly {major_many}.",
    ),
    "worth": (
        "The mean confidence is {confidence}{uncalibrated}.",
        "Overall, the mean confidence was {confidence}{uncalibrated}.",
        "The mean confidence of {x_many} was {x_confidence}{uncalibrated}.",
        "{unusual_n} ({unusual_p}) of the classified cells look unlike the training cells.",
        "{unusual_n} of the classified cells {were_unusual} out of distribution.",
        "{unusual_p} of the classified cells appear unlike the training cells.",
        "{no_unusual} of the classified cells looks unlike the training cells.",
    ),
    "markers": (
        "The median {m_name} of {w_many} is {m_value} {unit}.",
        "In {w_many}, the median {m_name} is {m_value} {unit}.",
        "{W_many} have a median {m_name} of {m_value} {unit} and a median {k_name} of {k_value} {unit}.",
        "The estimated median {m_name} signal of the {w_n} {w_many} was {m_value} {unit} (quartiles {m_lq} to {m_uq}).",
        "For {w_many}, median {m_name} was {m_value} and median {k_name} was {k_value} (in {unit}).",
        "Median {m_name} in {w_many}: {m_value} (nominal {coverage} interval of one cell {m_low} to {m_high}).",
        "The median {pool_name} (pooled, cannot be separated) of {w_many} is {pool_value} (unit: {unit}).",
        "Median {top_name} was highest in {top_many}.",
        "{Above_many} had a higher median {top_name} than {below_many}.",
        "The lowest median {low_name} was found in {low_many}.",
    ),
    "changes": (
        "Compared with {up_other}, the share of {up_many} {rose} from {up_before} to {up_now}.",
        "Against {up_other}, the share of {up_many} is higher ({up_now} against {up_before}).",
        "Since {down_other}, {down_many} {fell} from {down_before} to {down_now}.",
        "Relative to {down_other}, the proportion of {down_many} {fell} ({down_now}, {down_before} there).",
        "Compared to {tends_other}, {tends_name} tends {tends_way} in {tends_many}.",
        "Compared with {still_other}, no change is shown.",
        "No changes were detected compared to {still_other}.",
        "The share of {up_many} {rose} from {up_before} to {up_now} compared with {up_other}.",
        "The share of {down_many} is lower ({down_now} against {down_before}), relative to {down_other}.",
        "{Tends_name} tends {tends_way} in {tends_many} against {tends_other}.",
    ),
    "origin": (
        "The model was trained on simulated cells{model_synthetic}.",
        "The cells were simulated{source_synthetic}.",
    ),
}
"""By topic, in the order in which a summary has them."""
_MOST_SENTENCES: Final = 5


def frame_count() -> int:
    """How many frames there are."""
    return sum(map(len, FRAMES.values()))


def usable(facts: Facts, rng: Random) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The frames that these facts have the words for, by topic; and the words."""
    words = words_of(facts, rng)
    return {
        topic: [frame for frame in frames if _places(frame) <= words.keys()]
        for topic, frames in FRAMES.items()
    }, words


def paraphrase(facts: Facts, seed: int) -> str:
    """A true text of one to five of these sentences, of different topics, with the caveat."""
    rng = Random(seed)  # noqa: S311
    frames, words = usable(facts, rng)
    topics = [topic for topic, known in frames.items() if known]
    chosen = set(rng.sample(topics, min(len(topics), rng.randint(1, _MOST_SENTENCES))))
    said = [rng.choice(frames[topic]).format(**words) for topic in topics if topic in chosen]
    return " ".join([*said, *_owed(facts, " ".join(said)), words["caveat"]])


def sentence(facts: Facts, frame: str, seed: int) -> str | None:
    """One frame with the caveat; None where these facts lack a word of it."""
    words = words_of(facts, Random(seed))  # noqa: S311
    if not _places(frame) <= words.keys():
        return None
    said = frame.format(**words)
    return " ".join([said, *_owed(facts, said), words["caveat"]])


def _owed(facts: Facts, said: str) -> Iterator[str]:
    """What has to be said of frames and of drift, where nothing says it yet."""
    flagged, account, others = facts.flagged.frames, facts.account, facts.by_other_models
    if account is not None and account.published != account.announced and "announced" not in said:
        here = account.published - others
        yield f"{here:,} of the {account.announced:,} announced frames are in this summary."
    if others:
        yield f"{others:,} {'frame was' if others == 1 else 'frames were'} seen by another model."
    others_of = {"training": "training population", "previous_run": "previous run"}
    for one in facts.drift:
        if one.beyond:
            many = "quantity" if one.tested == 1 else "quantities"
            other = others_of.get(one.against, "drift reference")
            verb = "has" if one.beyond == 1 else "have"
            yield f"{one.beyond} of {one.tested} watched {many} {verb} drifted from the {other}."
    if flagged and "flagged" not in said:
        yield f"{flagged:,} {'frame was' if flagged == 1 else 'frames were'} flagged."


def _places(frame: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(frame) if name}
