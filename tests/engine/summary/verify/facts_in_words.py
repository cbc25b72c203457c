"""The words of some facts, by what they are words for; what the facts do not support has no word."""

import re
from dataclasses import asdict
from random import Random
from typing import Final

from phenostream.engine.summary.changes import Comparison
from phenostream.engine.summary.facts import ClassFacts, Facts

_NOUNS: Final = frozenset(
    {
        "lymphocyte",
        "granulocyte",
        "monocyte",
        "neutrophil",
        "eosinophil",
        "basophil",
        "blast",
        "erythroblast",
    }
)
_ONES: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_ROSE: Final = ("rose", "increased")
_FELL: Final = ("fell", "decreased")
_CLEAR: Final = 1.02
"""How much larger a value is that is called higher: not a matter of rounding."""


def words_of(facts: Facts, rng: Random) -> dict[str, str]:
    """The words; the same facts and the same state of `rng` give the same."""
    words = {
        **_counts(facts, rng),
        **_frames(facts, rng),
        **_worth(facts),
        **_changes(facts, rng),
    }
    if facts.classified and facts.classes:
        words |= _classes(facts, rng) | _ranks(facts, rng) | _markers(facts, rng)
    words |= {name.capitalize(): _capital(text) for name, text in words.items()}
    synthetic = "Synthetic: from simulated cells or a model trained on them. "
    words["caveat"] = f"{synthetic * facts.synthetic}Research use only, not a diagnosis."
    return words


def _counts(facts: Facts, rng: Random) -> dict[str, str]:
    words = {"frames": _counted(facts.frames, "frame", rng)}
    words |= {} if facts.scope == "part" else {"scope": facts.scope}
    if not facts.found:
        return {"empty_frames": words["frames"]} if facts.frames != 1 else {}
    words |= {
        "found_cells": _counted(facts.found, "cell", rng),
        "were_found": _were(facts.found),
        "classified_n": _number(facts.classified, rng),
        "were_classified": _were(facts.classified),
    }
    if facts.rejected:
        words |= {
            "rejected_cells": _counted(facts.rejected, "cell", rng),
            "were_rejected": _were(facts.rejected),
        }
    if facts.rejects and facts.classified + facts.rejected:
        words |= {
            "rejected_p": _percent(facts.rejected_share, rng),
            "rejected_low": _percent(facts.rejected_low, rng),
            "rejected_high": _percent(facts.rejected_high, rng),
        }
        words |= {} if facts.rejected else {"no_rejected": "No"}
    if facts.failed:
        words |= {
            "lost_cells": _counted(facts.failed, "cell", rng),
            "were_lost": _were(facts.failed),
        }
    words |= {"can_reject": ""} if facts.rejects and facts.classified != 1 else {}
    if facts.edge:
        words |= {"edge_cells": _counted(facts.edge, "cell", rng), "were_edge": _were(facts.edge)}
    return words


def _frames(facts: Facts, rng: Random) -> dict[str, str]:
    words: dict[str, str] = {}
    flagged = facts.flagged
    if flagged.frames:
        words |= {
            "flagged_frames": _counted(flagged.frames, "frame", rng),
            "flagged_n": _number(flagged.frames, rng),
            "were_flagged": _were(flagged.frames),
            "all_frames": _counted(facts.frames, "frame", rng),
        }
        kinds = ((kind, count) for kind, count in asdict(flagged).items() if kind != "frames")
        words |= {f"{kind}_n": _number(count, rng) for kind, count in kinds if count}
    elif facts.frames > 1:
        words["no_flagged"] = "No"
    if (account := facts.account) is not None:
        words["present_n"] = _number(account.published - facts.by_other_models, rng)
        words["announced_n"] = _number(account.announced, rng)
        if account.dropped:
            words["dropped_frames"] = _counted(account.dropped, "frame", rng)
            words["were_dropped"] = _were(account.dropped)
    return words


def _classes(facts: Facts, rng: Random) -> dict[str, str]:
    said = [one for one in facts.classes if one.count > 1]
    rng.shuffle(said)
    words = {
        "counts": _listed([_class_count(one, rng) for one in facts.classes]),
        "shares": _listed(
            [f"{_percent(one.share, rng)} {_many(one.name, rng)}" for one in facts.classes]
        ),
    }
    for place, one in zip(("x", "y"), said, strict=False):
        words |= _class(place, one, rng)
    absent = [one for one in facts.classes if not one.count]
    if absent:
        words["absent_many"] = _many(absent[0].name, rng)
    return words


def _class(place: str, one: ClassFacts, rng: Random) -> dict[str, str]:
    words = {
        f"{place}_many": _many(one.name, rng),
        f"{place}_n": _number(one.count, rng),
        f"{place}_p": _percent(one.share, rng),
        f"{place}_low": _percent(one.share_low, rng),
        f"{place}_high": _percent(one.share_high, rng),
    }
    if one.mean_confidence is not None:
        words[f"{place}_confidence"] = _percent(one.mean_confidence, rng)
    return words


def _ranks(facts: Facts, rng: Random) -> dict[str, str]:
    ordered = sorted(facts.classes, key=lambda one: -one.count)
    counts = [one.count for one in ordered]
    words: dict[str, str] = {}
    majority = facts.majority
    if majority is None:
        words["no_majority"] = "No"
    elif majority.count > 1:
        words |= _class("major", majority, rng)
        if majority.count == facts.classified:
            words["sole_many"] = _many(majority.name, rng)
    if len(ordered) < 2 or counts[0] == counts[1]:
        return words
    if counts[0] > 1:
        words |= _class("large", ordered[0], rng)
    if counts[1] > 1 and counts[1] not in counts[2:]:
        words |= _class("second", ordered[1], rng)
    words["more_many"] = _many(ordered[0].name, rng)
    words["less_many"] = _many(ordered[-1].name, rng)
    if counts[-1] < counts[-2] and counts[-1] > 1:
        words |= _class("small", ordered[-1], rng)
    return words


def _markers(facts: Facts, rng: Random) -> dict[str, str]:
    having = [one for one in facts.classes if one.markers and one.count > 1]
    if not having:
        return {}
    words = {"unit": _unit(facts.marker_unit)}
    one = rng.choice(having)
    words |= _class("w", one, rng)
    for place, marker in zip(("m", "k"), rng.sample(one.markers, len(one.markers)), strict=False):
        words[f"{place}_name"] = _marker(marker.name)
        words[f"{place}_value"] = _value(marker.median)
        words[f"{place}_lq"], words[f"{place}_uq"] = map(
            _value, (marker.lower_quartile, marker.upper_quartile)
        )
        if marker.cell_low is not None and marker.cell_high is not None:
            words[f"{place}_low"], words[f"{place}_high"] = map(
                _value, (marker.cell_low, marker.cell_high)
            )
    pools = [marker for marker in one.markers if marker.pooled]
    if pools:
        words |= {"pool_name": _marker(pools[0].name), "pool_value": _value(pools[0].median)}
    if facts.interval_coverage is not None:
        words["coverage"] = f"{100 * facts.interval_coverage:g} %"
    return words | _extremes([one for one in facts.classes if one.markers], rng)


def _extremes(having: list[ClassFacts], rng: Random) -> dict[str, str]:
    """Of one marker: where it is highest and lowest, were the difference is no matter of rounding."""
    if len(having) < 2:
        return {}
    index = rng.randrange(len(having[0].markers))
    ordered = sorted(having, key=lambda one: -one.markers[index].median)
    values = [one.markers[index].median for one in ordered]
    name = _marker(having[0].markers[index].name)
    words: dict[str, str] = {}
    if values[0] > max(_CLEAR * values[1], values[1] / _CLEAR):
        words |= {
            "top_name": name,
            "top_many": _many(ordered[0].name, rng),
            "above_many": _many(ordered[0].name, rng),
            "below_many": _many(ordered[-1].name, rng),
        }
    if values[-1] < min(values[-2] / _CLEAR, _CLEAR * values[-2]):
        words |= {"low_name": name, "low_many": _many(ordered[-1].name, rng)}
    return words


def _worth(facts: Facts) -> dict[str, str]:
    words = {"uncalibrated": "" if facts.calibrated else ", uncalibrated"}
    if facts.mean_confidence is not None:
        words["confidence"] = f"{100 * facts.mean_confidence:.1f} %"
    if facts.unusual and facts.unusual_share is not None:
        words["unusual_n"] = f"{facts.unusual:,}"
        words["unusual_p"] = f"{100 * facts.unusual_share:.1f} %"
        words["were_unusual"] = _were(facts.unusual)
    elif facts.unusual == 0 and facts.classified:
        words["no_unusual"] = "None"
    words |= {"model_synthetic": ""} if facts.model_synthetic else {}
    return words | ({"source_synthetic": ""} if facts.source_synthetic else {})


def _changes(facts: Facts, rng: Random) -> dict[str, str]:
    words = {"rose": rng.choice(_ROSE), "fell": rng.choice(_FELL)}
    for comparison in facts.comparisons:
        other = _other(comparison, facts)
        for share in comparison.shares:
            if share.of == "class" and share.verdict in ("up", "down"):
                words |= {
                    f"{share.verdict}_other": other,
                    f"{share.verdict}_many": _many(share.name, rng),
                    f"{share.verdict}_before": f"{100 * share.before:.2f} %",
                    f"{share.verdict}_now": f"{100 * share.now:.2f} %",
                }
        for marker in comparison.markers:
            if marker.verdict in ("up", "down"):
                words |= {
                    "tends_other": other,
                    "tends_name": _marker(marker.name),
                    "tends_way": "higher" if marker.verdict == "up" else "lower",
                    "tends_many": _many(marker.class_name, rng),
                }
        verdicts = {one.verdict for one in comparison.changes}
        if "unclear" in verdicts and not comparison.changed:
            words["still_other"] = other
    return words


def _other(comparison: Comparison, facts: Facts) -> str:
    other = "the previous window" if comparison.against == "previous" else "the reference"
    simulated = comparison.synthetic and not facts.source_synthetic
    return f"{other} (simulated cells)" if simulated else other


def _class_count(one: ClassFacts, rng: Random) -> str:
    if not one.count:
        return f"no {_many(one.name, rng)}"
    return f"{_number(one.count, rng)} {(_one if one.count == 1 else _many)(one.name, rng)}"


def _one(name: str, rng: Random) -> str:
    if name in _NOUNS or name.endswith(" cell"):
        return name
    return f"cell of class “{name}”" if rng.random() < 0.5 else f"{name} cell"


def _many(name: str, rng: Random) -> str:
    if name in _NOUNS or name.endswith(" cell"):
        return f"{name}s"
    return f"cells of class “{name}”" if rng.random() < 0.5 else f"{name} cells"


def _marker(name: str) -> str:
    proteins = name.split("/")
    if len(proteins) == 1:
        return name
    return f"at least one of {', '.join(proteins[:-1])} or {proteins[-1]}"


def _unit(unit: str) -> str:
    return unit if re.fullmatch(r"[\w./ ]+", unit) else f"“{unit}”"


def _counted(count: int, noun: str, rng: Random) -> str:
    return f"{_number(count, rng)} {noun}{'' if count == 1 else 's'}"


def _number(count: int, rng: Random) -> str:
    if count >= 100 or rng.random() < 0.7:
        return f"{count:,}"
    if count < 20:
        return _ONES.split()[count]
    tens, ones = divmod(count, 10)
    return _TENS.split()[tens - 2] + (f"-{_ONES.split()[ones]}" if ones else "")


def _percent(share: float, rng: Random) -> str:
    text = f"{100 * share:.{rng.choice((0, 1, 1, 2))}f}"
    if text in ("0", "100"):
        text = f"{100 * share:.1f}"
    return text + rng.choice((" %", "%", " percent"))


def _value(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
