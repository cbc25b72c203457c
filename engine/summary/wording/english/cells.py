"""English phrases for frames and cells."""

from dataclasses import asdict
from typing import Final

from phenostream.engine.summary.facts import Facts, FrameAccount
from phenostream.engine.summary.plan import Plan, one_of
from phenostream.engine.summary.wording.english.words import (
    NUMBERS,
    both,
    counted_with_share,
    number_of,
    quoted,
    share_interval,
    were,
)
from phenostream.engine.summary.wording.lists import in_any_order, joined, listed

_FLAGS: Final = {
    "residual_high": "whose light does not add",
    "misoriented": "with shots that are not what they are called",
}
_SCOPES: Final = {
    "window": "a window",
    "part": "what one model saw of a run",
    "run": "the whole run",
}


class EnglishCells:
    """See `CellPhrases`."""

    def found(self, facts: Facts) -> Plan:
        """Cells, frames and fates."""
        frames = f"{number_of(facts.frames, 'frame')}{_left_out(facts)}"
        if not facts.found:
            return (
                one_of(
                    f"No cells were found in {frames}",
                    f"No cells were detected in {frames}",
                    f"There were no cells in {frames}",
                    f"{frames} held no cells",
                ),
            )
        cells = number_of(facts.found, "cell")
        return (
            one_of(
                f"{cells} {were(facts.found)} found in {frames}",
                f"{cells} {were(facts.found)} detected in {frames}",
                f"In {frames}, {cells} {were(facts.found)} found",
                f"{frames} held {cells}",
            ),
            one_of(": ", "; of these, ", ", of which "),
            *joined(_fates(facts), "and"),
        )

    def flagged(self, facts: Facts, *, kinds: bool) -> Plan:
        """Frames that a physics check speaks against."""
        flags = asdict(facts.flagged)
        said = [
            f"{NUMBERS.count(count)} {_FLAGS.get(kind, kind)}"
            for kind, count in flags.items()
            if kind != "frames" and count
        ]
        frames = number_of(facts.flagged.frames, "frame")
        head = one_of(
            f"; {frames} {were(facts.flagged.frames)} flagged",
            f"; physics checks flagged {frames}",
        )
        return (head, one_of(f": {both(said)}")) if kinds else (head,)

    def line(self, facts: Facts) -> Plan:
        """The classified cells of all found."""
        if not facts.found:
            return self.found(facts)
        frames = f"{number_of(facts.frames, 'frame')}{_left_out(facts)}"
        cells = f"{NUMBERS.count(facts.classified)} of {number_of(facts.found, 'cell')}"
        places = (f"{cells}{seen} in {frames}" for seen in ("", " found", " detected", " seen"))
        be = were(facts.classified)
        head = (
            one_of(*places, f"In {frames}, {cells}"),
            one_of(f" {be} classified", f" {be} assigned a class", f" {be} given a class"),
        )
        if not facts.classified or not facts.classes:
            return head
        classes = in_any_order(facts.classes, counted_with_share, "and")
        return *head, one_of(": ", ", namely ", ", that is "), classes

    def reject_rate(self, facts: Facts) -> Plan:
        """The rejected share with its interval."""
        seen = f"{number_of(facts.classified + facts.rejected, 'cell')} that the model judged"
        return (
            one_of(
                f"The reject rate of the {seen} is ",
                f"Of the {seen}, the rejected share is ",
                f"Among the {seen}, the reject rate is ",
            ),
            one_of(
                f"{NUMBERS.percent(facts.rejected_share)} "
                f"({share_interval(facts.rejected_low, facts.rejected_high)})"
            ),
        )

    def unchecked(self, facts: Facts, *, briefly: bool = False) -> Plan:
        """What the model cannot tell."""
        unsaid = [] if facts.rejects else ["whether a cell is a white cell at all"]
        if facts.unusual is None and not briefly:
            unsaid.append("whether it is like the training cells")
        return (
            one_of(
                "This model does not tell ", "This model cannot tell ", "The model leaves open "
            ),
            one_of(listed(unsaid, "or")),
        )

    def origin(self, facts: Facts) -> Plan:
        """Scope, run, instrument and model."""
        words = _SCOPES[facts.scope]
        if facts.duration_s is not None:
            words += f" ({NUMBERS.seconds(facts.duration_s)})"
        if facts.run:
            words += f", run {quoted(facts.run)}"
        if facts.instrument:
            words += f", instrument {quoted(facts.instrument)}"
        return (
            one_of("This describes ", "These are the facts of ", "This is told of "),
            one_of(f"{words}, model {quoted(facts.model)}"),
        )

    def caveat(self, facts: Facts) -> Plan:
        """What is synthetic; research, no diagnosis."""
        synthetic = "Synthetic: from simulated cells or a model trained on them. "
        research = "Research use only, not a diagnosis."
        return (one_of(f"{synthetic if facts.synthetic else ''}{research}"),)


def _fates(facts: Facts) -> list[Plan]:
    """What became of the cells, no fate left out; the classified ones also where there are none."""
    told = (
        (facts.classified, ("were classified", "were assigned a class", "were given a class")),
        (
            facts.rejected,
            (
                "were rejected as not a white cell",
                "were set aside as not a white cell",
                "were left out as not a white cell",
            ),
        ),
        (facts.edge, ("lay at a frame's edge", "were at a frame's edge")),
        (facts.over_limit, ("were beyond the limit per frame", "exceeded the limit per frame")),
        (facts.failed, ("got no numbers from the engine", "were lost to a fault of the engine")),
    )
    return [
        (one_of(*(f"{NUMBERS.count(count)} {_agreeing(words, count)}" for words in said)),)
        for place, (count, said) in enumerate(told)
        if count or not place
    ]


def _agreeing(words: str, count: int) -> str:
    return words.replace("were ", "was ", 1) if count == 1 else words


def _left_out(facts: Facts) -> str:
    """What a reader must know before the first count: some frames are not in it."""
    account, others = facts.account, facts.by_other_models
    if account is None or account.published == account.announced:
        seen = f"{NUMBERS.count(others)} more of the run {were(others)} seen by another model"
        return f" ({seen})" if others else ""
    return f" ({_lost(account, others)})"


def _lost(account: FrameAccount, others: int) -> str:
    fates = ("dropped", "quarantined", "failed", "missing")
    counts = [(getattr(account, fate), fate) for fate in fates] + [
        (others, "seen by another model")
    ]
    said = [f"{NUMBERS.count(count)} {fate}" for count, fate in counts if count]
    here, announced = account.published - others, account.announced
    whole = f"{NUMBERS.count(here)} of {NUMBERS.count(announced)} announced are in this summary"
    return f"{whole}: {both(said)}" if said else whole
