"""English phrases for the classes."""

from phenostream.engine.summary.facts import ClassFacts, Facts
from phenostream.engine.summary.plan import Plan, Slot, one_of
from phenostream.engine.summary.wording.english.words import (
    NUMBERS,
    a_cell,
    cells,
    counted,
    counted_with_share,
    share_interval,
)
from phenostream.engine.summary.wording.lists import in_any_order, in_some_order


class EnglishClasses:
    """See `ClassPhrases`."""

    def composition(self, facts: Facts, *, interval: bool) -> Plan:
        """Counts and shares."""
        majority = facts.majority
        if majority is None:
            return (
                one_of(
                    "No class holds a majority of the classified cells",
                    "No class is a majority of the classified cells",
                    "No class makes up more than half of the classified cells",
                    "Of the classified cells, no class is a majority",
                ),
                one_of(": ", ", with "),
                in_any_order(facts.classes, counted_with_share, "and"),
            )
        if majority.count == facts.classified:
            return (_all_of(majority),)
        rest = [one for one in facts.classes if one is not majority]
        return (
            _most_of(majority, interval=interval),
            one_of(", with ", ", beside ", ", next to ", ", alongside "),
            in_some_order(rest, counted_with_share, "and"),
        )

    def shares(self, facts: Facts) -> Plan:
        """Every class with its interval."""
        majority = facts.majority
        lead = "no class a majority"
        if majority is not None:
            all_of_them = majority.count == facts.classified
            lead = f"{'all' if all_of_them else 'mostly'} {cells(majority.name)}"
        return (
            one_of(
                f"Classified cells, {lead}: ",
                f"Of the classified cells, {lead}: ",
                f"Among the classified cells, {lead}: ",
            ),
            in_some_order(facts.classes, _share_with_interval, "and"),
        )

    def confidence(self, facts: Facts) -> Plan:
        """The mean confidence."""
        value = NUMBERS.percent(facts.mean_confidence or 0.0)
        doubt = "" if facts.calibrated else ", uncalibrated"
        return (
            one_of(
                f"; mean confidence {value}{doubt}",
                f"; the mean confidence is {value}{doubt}",
                f", at a mean confidence of {value}{doubt}",
                f", with a mean confidence of {value}{doubt}",
            ),
        )

    def unusual(self, facts: Facts, *, interval: bool) -> Plan:
        """Cells unlike the training cells."""
        if not facts.unusual:
            none = (
                "none looks unlike the training cells",
                "none appears unlike the training cells",
            )
            return one_of("; ", "; of the classified cells, "), one_of(*none)
        s = "s" if facts.unusual == 1 else ""
        value = NUMBERS.percent(facts.unusual_share or 0.0)
        if interval and facts.unusual_low is not None and facts.unusual_high is not None:
            value += f"; {share_interval(facts.unusual_low, facts.unusual_high)}"
        return (
            one_of("; ", "; of the classified cells, "),
            one_of(f"{NUMBERS.count(facts.unusual)} ({value})"),
            one_of(
                f" look{s} unlike the training cells",
                f" appear{s} unlike the training cells",
                f" differ{s} from the training cells",
            ),
        )


def _all_of(one: ClassFacts) -> Slot:
    if one.count == 1:
        kind = a_cell(one.name)
        return one_of(f"The only classified cell is {kind}", f"The one classified cell is {kind}")
    count, many = NUMBERS.count(one.count), cells(one.name)
    return one_of(
        f"All {count} classified cells are {many}",
        f"All of the {count} classified cells are {many}",
        f"The {count} classified cells are all {many}",
    )


def _most_of(one: ClassFacts, *, interval: bool) -> Slot:
    many = cells(one.name)
    value = f"({NUMBERS.count(one.count)}, {NUMBERS.percent(one.share)}"
    value += f"; {share_interval(one.share_low, one.share_high)})" if interval else ")"
    return one_of(
        f"Most classified cells are {many} {value}",
        f"The classified cells are mostly {many} {value}",
        f"The majority of the classified cells are {many} {value}",
        f"More than half of the classified cells are {many} {value}",
        f"Of the classified cells, most are {many} {value}",
    )


def _share_with_interval(one: ClassFacts) -> str:
    if not one.count:
        return f"no {cells(one.name)}"
    share = f"{NUMBERS.percent(one.share)}; {share_interval(one.share_low, one.share_high)}"
    return f"{counted(one)} ({share})"
