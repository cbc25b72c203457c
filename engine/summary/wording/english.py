"""English: the phrases, and how it writes numbers and names."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final

from phenostream.engine.summary.facts import (
    ClassFacts,
    Facts,
    FlaggedFrames,
    FrameAccount,
    MarkerFacts,
)
from phenostream.engine.summary.plan import Plan, Slot, one_of
from phenostream.engine.summary.wording.names import (
    is_known_unit,
    is_plain_marker,
    proteins_of,
    shown,
)
from phenostream.engine.summary.wording.order import orders

_NOUNS: Final = frozenset(
    {"lymphocyte", "granulocyte", "monocyte", "neutrophil", "eosinophil", "basophil"}
)
"""The classes that stand in a sentence without quotation marks."""
_FLAGS: Final = {
    "residual_high": "whose light does not add",
    "misoriented": "with shots that are not what they are called",
}


class English:
    """The phrases in English."""

    def found(self, facts: Facts) -> Plan:
        """See `Language`."""
        frames = f"{_counted(facts.frames, 'frame')}{_left_out(facts)}"
        if not facts.found:
            return (
                one_of(
                    f"No cells were found in {frames}",
                    f"No cells were detected in {frames}",
                    f"There were no cells in {frames}",
                    f"{frames} held no cells",
                ),
            )
        cells, were = _counted(facts.found, "cell"), _were(facts.found)
        return (
            one_of(
                f"{cells} {were} found in {frames}",
                f"{cells} {were} detected in {frames}",
                f"In {frames}, {cells} {were} found",
                f"{frames} held {cells}",
            ),
            one_of(": ", "; of these, ", ", of which "),
            *_joined(_fates(facts)),
        )

    def flagged(self, flagged: FlaggedFrames) -> Plan:
        """See `Language`."""
        counts = {kind: count for kind, count in asdict(flagged).items() if kind != "frames"}
        said = [f"{count:,} {_FLAGS.get(kind, kind)}" for kind, count in counts.items() if count]
        frames, were = _counted(flagged.frames, "frame"), _were(flagged.frames)
        return (
            one_of(
                f"{frames} {were} flagged: ",
                f"{frames} {were} flagged by a physics check: ",
                f"Physics checks flagged {frames}: ",
            ),
            one_of(_listed(said)),
        )

    def composition(self, facts: Facts, *, interval: bool) -> Plan:
        """See `Language`."""
        majority = facts.majority
        if majority is None:
            return (
                one_of(
                    "No class holds a majority of the classified cells",
                    "No class is a majority of the classified cells",
                    "No class makes up more than half of the classified cells",
                    "Of the classified cells, no class is a majority",
                ),
                one_of(": ", ": there were ", ", with "),
                _in_some_order(facts.classes, _count_and_share),
            )
        many = _many(majority.name)
        if majority.count == facts.classified > 1:
            cells = f"{facts.classified:,} classified cells"
            return (one_of(*(f"{all_} {cells} are {many}" for all_ in ("All", "All of the"))),)
        value = f"({majority.count:,}, {_percent(majority.share)}"
        value += f"; {_interval(majority)})" if interval else ")"
        rest = [other for other in facts.classes if other is not majority]
        if facts.classified == 1:
            kind = _article(majority.name)
            only = (f"The only classified cell {verb} {kind}" for verb in ("is", "is called"))
            return (one_of(*only),)
        most = one_of(
            f"Most classified cells are {many} {value}",
            f"The classified cells are mostly {many} {value}",
            f"The majority of the classified cells are {many} {value}",
            f"Of the classified cells, most are {many} {value}",
            f"{_capital(many)} {value} are the majority of the classified cells",
        )
        return (
            most,
            one_of(", with ", ", beside ", ", next to "),
            _in_some_order(rest, _count_and_share),
        )

    def shares(self, facts: Facts) -> Plan:
        """See `Language`."""
        majority = facts.majority
        lead = f"mostly {_many(majority.name)}" if majority else "no class a majority"
        return (
            one_of(
                f"Classified cells, {lead}: ",
                f"Of the classified cells, {lead}: ",
                f"The classified cells, {lead}, are ",
            ),
            _in_some_order(facts.classes, _share_with_interval),
        )

    def confidence(self, facts: Facts) -> Plan:
        """See `Language`."""
        value = _percent(facts.mean_confidence or 0.0)
        value += "" if facts.calibrated else ", uncalibrated"
        return (
            one_of(
                f"; mean confidence {value}",
                f"; the mean confidence is {value}",
                f", at a mean confidence of {value}",
                f" (mean confidence {value})",
            ),
        )

    def unusual(self, facts: Facts) -> Plan:
        """See `Language`."""
        count = facts.unusual or 0
        s = "s" if count == 1 else ""
        return (
            one_of("; ", "; of these cells, "),
            one_of(f"{count:,} ({_percent(facts.unusual_share or 0.0)})"),
            one_of(
                f" look{s} unlike the training cells",
                f" differ{s} from the training cells",
                f" appear{s} unlike the training cells",
            ),
        )

    def medians(self, facts: Facts, one: ClassFacts, markers: Sequence[MarkerFacts]) -> Plan:
        """See `Language`."""
        cells = f"the {one.count:,} {_cells(one)}"
        return (
            one_of(
                f"Median estimates of {cells}: ",
                f"The median estimates of {cells} are ",
                f"In {cells}, median estimates are ",
                f"For {cells}, the median estimates are ",
            ),
            *_joined([one_of(f"{_marker(m.name)} {_value(m.median)}") for m in markers]),
            one_of(f" (unit: {_unit(facts.marker_unit)})", f" (in {_unit(facts.marker_unit)})"),
        )

    def estimates(self, facts: Facts, one: ClassFacts) -> Plan:
        """See `Language`."""
        cells = f"the {one.count:,} {_cells(one)}"
        interval = (
            "without an interval, for this model has none"
            if facts.interval_coverage is None
            else f"with the nominal {100 * facts.interval_coverage:g} % interval of a single such cell"
        )
        return (
            one_of(
                f"Estimated median signal of {cells}, {interval}",
                f"Median estimates of {cells}, {interval}",
                f"The median estimates of {cells}, {interval}",
            ),
            one_of(f" (unit: {_unit(facts.marker_unit)}): "),
            one_of("; ".join(map(_with_interval, one.markers))),
        )

    def unchecked(self, facts: Facts) -> Plan:
        """See `Language`."""
        unsaid = [] if facts.rejects else ["whether a cell is a white cell at all"]
        unsaid += ["whether it is like the training cells"] if facts.unusual is None else []
        if not unsaid:
            return ()
        verbs = one_of("This model does not tell ", "This model cannot tell ")
        return verbs, one_of(_listed(unsaid, "or"))

    def line(self, facts: Facts) -> Plan:
        """See `Language`."""
        if not facts.found:
            return self.found(facts)
        frames = f"{_counted(facts.frames, 'frame')}{_left_out(facts)}"
        cells = f"{facts.classified:,} of {_counted(facts.found, 'cell')}"
        were = _were(facts.classified)
        parts: list[Slot] = [
            one_of(
                f"{cells} in {frames} {were} classified",
                f"In {frames}, {cells} {were} classified",
                f"{cells} in {frames} {were} given a class",
            )
        ]
        if facts.classified:
            parts += [one_of(": ", ", namely ", " as "), _in_some_order(facts.classes, _brief)]
        return tuple(parts)

    def caveat(self, facts: Facts) -> Plan:
        """See `Language`."""
        synthetic = "Synthetic: from simulated cells or a model trained on them. "
        research = "Research use only, not a diagnosis."
        return (one_of(f"{synthetic if facts.synthetic else ''}{research}"),)


def _fates(facts: Facts) -> list[Slot]:
    """What became of the cells, none of them left out; the classified ones also where there are none."""
    told = [
        (facts.classified, ("were classified", "were assigned a class", "were given a class")),
        (
            facts.rejected,
            ("were rejected as not a white cell", "were set aside as not a white cell"),
        ),
        (facts.edge, ("lay at a frame's edge", "were at a frame's edge")),
        (facts.over_limit, ("were beyond the limit per frame", "exceeded the limit per frame")),
        (facts.failed, ("got no numbers from the engine", "were failed by the engine")),
    ]
    return [
        one_of(*(f"{n:,} {_agreeing(words, n)}" for words in said))
        for place, (n, said) in enumerate(told)
        if n or not place
    ]


def _left_out(facts: Facts) -> str:
    """What a reader must know before the first count: some frames are not in it."""
    account, others = facts.account, facts.by_other_models
    if account is None or account.published == account.announced:
        seen = f"{others:,} more of the run {_were(others)} seen by another model"
        return f" ({seen})" if others else ""
    return f" ({_lost(account, others)})"


def _lost(account: FrameAccount, others: int) -> str:
    fates = ("dropped", "quarantined", "failed", "missing")
    said = [f"{getattr(account, fate):,} {fate}" for fate in fates if getattr(account, fate)]
    said += [f"{others:,} seen by another model"] if others else []
    whole = f"{account.published - others:,} of {account.announced:,} announced are in this summary"
    return f"{whole}: {_listed(said)}" if said else whole


def _in_some_order(classes: Sequence[ClassFacts], told: Callable[[ClassFacts], str]) -> Slot:
    return one_of(*(_listed([told(one) for one in order]) for order in orders(classes)))


def _count_and_share(one: ClassFacts) -> str:
    return _brief(one) if one.count else f"no {_cells(one)}"


def _brief(one: ClassFacts) -> str:
    return f"{one.count:,} {_cells(one)} ({_percent(one.share)})"


def _share_with_interval(one: ClassFacts) -> str:
    many = _many(one.name)
    return f"{_percent(one.share)} {many} ({_interval(one)})" if one.count else f"no {many}"


def _interval(one: ClassFacts) -> str:
    return f"95 % interval {_percent(one.share_low)} to {_percent(one.share_high)}"


def _with_interval(marker: MarkerFacts) -> str:
    value = f"{_marker(marker.name)} {_value(marker.median)}"
    if marker.cell_low is None or marker.cell_high is None:
        return value
    return f"{value} ({_value(marker.cell_low)} to {_value(marker.cell_high)})"


def _cells(one: ClassFacts) -> str:
    """The noun that follows the count."""
    return _one(one.name) if one.count == 1 else _many(one.name)


def _one(name: str) -> str:
    return name if name in _NOUNS else f"cell of class {_quoted(name)}"


def _many(name: str) -> str:
    return f"{name}s" if name in _NOUNS else f"cells of class {_quoted(name)}"


def _article(name: str) -> str:
    """With its indefinite article."""
    return f"{'an' if _one(name)[0] in 'aeiou' else 'a'} {_one(name)}"


def _marker(name: str) -> str:
    proteins = [one if is_plain_marker(one) else _quoted(one) for one in proteins_of(name)]
    if len(proteins) == 1:
        return proteins[0]
    return f"at least one of {_listed(proteins, 'or')} (pooled, cannot be separated)"


def _unit(unit: str) -> str:
    return unit if is_known_unit(unit) else _quoted(unit)


def _quoted(name: str) -> str:
    return f"“{shown(name)}”"


def _joined(items: Sequence[Slot]) -> Plan:
    """The slots as a list in a sentence."""
    slots: list[Slot] = []
    for place, item in enumerate(items):
        if place:
            slots.append(one_of(" and " if place == len(items) - 1 else ", "))
        slots.append(item)
    return tuple(slots)


def _listed(items: Sequence[str], word: str = "and") -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


def _agreeing(words: str, count: int) -> str:
    """Were, or was of one."""
    return words.replace("were ", "was ", 1) if count == 1 else words


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _value(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
