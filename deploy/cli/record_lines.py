"""Records of the result stream as lines for a person: what became of a frame, who worded a summary, what a run is."""

from typing import TYPE_CHECKING, Any

from phenostream.deploy.cli.terminal import printable

if TYPE_CHECKING:
    from phenostream.daemon.client.records import Record
    from phenostream.daemon.wire.results import FrameRecord


def short_run(run: object) -> str:
    """The end of a run's id: enough to tell runs of one box apart."""
    return str(run)[-8:]


def record_line(record: "Record") -> str:
    """One record as a line for a person."""
    from phenostream.daemon.wire.results import FrameRecord

    if isinstance(record.body, FrameRecord):
        return f"{record.offset:>7}  {frame_line(record.body)}"
    body = record.body
    if record.topic == "summary":
        return f"{record.offset:>7}  {_source(body)}  {_summary_text(body)}"
    return f"{record.offset:>7}  {_status_text(body)}"


def frame_line(frame: "FrameRecord") -> str:
    """What became of one frame and its cells."""
    meta = frame.meta
    place = f"{_source(meta)}  frame {meta['frame_seq']:>5}"
    if meta["fate"] != "published":
        return f"{place}  {meta['fate'].upper()}: {meta['reason']}"
    counts = meta["counts"]
    kinds = frame.columns["class"].values
    names = meta["model"]["classes"]
    rejected = _told(counts["rejected"], "rejected", meta["model"], "reject")
    shares = "  ".join(
        f"{int((kinds == index).sum()):>3} {name}s" for index, name in enumerate(names)
    )
    return (
        f"{place}  {counts['found']:>4} cells: {shares}  {rejected}"
        f"  {counts['edge']:>2} at edge  {_trust(frame)}  {meta['timing_ms']['total']:>6.1f} ms"
        f"{'  synthetic' if meta['synthetic'] else ''}{_flags(meta)}{_faults(meta)}{_drifted(meta)}"
    )


def _flags(facts: dict[str, Any]) -> str:
    """What makes the frame doubtful, in capitals; nothing for a good one."""
    flags = facts.get("flags", {})
    raised = [name.upper() for name, value in flags.items() if value is True]
    if flags.get("misoriented") is True:
        raised.append(f"({flags.get('orientation')})")
    return "".join(f"  {name}" for name in raised)


def _faults(meta: dict[str, Any]) -> str:
    """What failed in the daemon while the frame was there; nothing where all worked."""
    failed = meta["counts"].get("failed", 0)
    faults = meta.get("degraded") or ()
    return (f"  {failed} FAILED" if failed else "") + (
        f"  DEGRADED ({', '.join(faults)})" if faults else ""
    )


def _drifted(meta: dict[str, Any]) -> str:
    """How many alarms of drift the run has open; nothing where it has none."""
    alarms = meta.get("drift") or ()
    return f"  DRIFT ({len(alarms)})" if alarms else ""


def _source(facts: dict[str, Any]) -> str:
    return f"{facts.get('instrument')} {short_run(facts.get('run'))}"


def _trust(frame: "FrameRecord") -> str:
    """Mean confidence of the classified cells, and how many of them are unlike the training cells."""
    kinds = frame.columns["class"].values
    classified = kinds < len(frame.meta["model"]["classes"])
    model = frame.meta["model"]
    unusual = _told(int(frame.columns["ood"].values[classified].sum()), "unusual", model, "ood")
    sure = frame.columns["class_probability"].values[classified]
    confidence = f"{100 * sure.max(axis=1).mean():.0f} %" if len(sure) else "none"
    doubt = "" if model.get("calibrated", True) else " uncalibrated"
    return f"confidence {confidence}{doubt}  {unusual}"


def _told(count: int, what: str, model: dict[str, Any], decision: str) -> str:
    """A count of cells, unless the model cannot decide such a thing: then none would be taken for a good sign."""
    cannot = model.get(f"{decision}_threshold", 0.0) is None
    return f"n/a {what}" if cannot else f"{count:>3} {what}"


def summary_source(body: dict[str, Any]) -> str:
    """Who worded a summary: the template, or which language model, how bound, and in what time.

    A model of our table goes by its name there, known by its hash; another one by what it calls itself.
    """
    from phenostream.deploy.language_models.catalogue import known_as

    source = body.get("source", "template")
    llm, seconds = body.get("llm"), body.get("seconds")
    if not isinstance(llm, dict):
        return str(source)
    within = f", {seconds:.1f} s" if isinstance(seconds, int | float) else ""
    return f"{source}, {known_as(llm)} ({str(llm.get('sha256'))[:12]}){within}"


def _summary_text(body: dict[str, Any]) -> str:
    """A summary with who worded it; a language model's says which record's words it takes the place of."""
    of = body.get("of_offset")
    instead = "" if of is None else f", in place of {of}"
    text = printable(str(body.get("text")))
    return (
        f"summary of the {body.get('scope')} ({printable(summary_source(body))}{instead}): {text}"
    )


def _status_text(body: dict[str, Any]) -> str:
    from phenostream.deploy.cli.sending import ledger_line

    if body.get("event") == "model_changed":
        before, after = (_model_name(body[which]) for which in ("before", "after"))
        return f"model: {after} serves from now on, before it {before}; {body['why']}"
    if body.get("event") == "run_ended":
        by = " by timeout, its end was lost" if body.get("ended_by") == "timeout" else ""
        return f"run {body['run']} of {body['instrument']} ended{by}; {ledger_line(body['ledger'])}"
    if body.get("event") == "drift":
        return _drift_text(body)
    if body.get("event") == "run_drift":
        return _run_drift_text(body)
    mapped = "".join(
        f", {shot} is {truth}" for shot, truth in (body.get("channel_map") or {}).items()
    ).replace(",", "; channel map:", 1)
    how = "; BEST EFFORT: gaps are possible" if body.get("mode") == "best-effort" else ""
    name = f"run {body.get('run')} of {body.get('instrument')}"
    return f"{name}: {body.get('event')}{_camera(body)}{mapped}{how}"


def _drift_text(body: dict[str, Any]) -> str:
    """An alarm of drift, which says nothing of the frames but that they are others than those before."""
    from phenostream.daemon.pipeline.drift_records import in_words

    if body["open"]:
        what = "has drifted from"
    else:
        what = "cannot be tested any more against" if body.get("beyond") else "is back at"
    return (
        f"run {body['run']} of {body['instrument']}: {printable(str(body['quantity']))} {what} the "
        f"{body['against'].replace('_', ' ')}: {in_words(body)}"
    )


def _run_drift_text(body: dict[str, Any]) -> str:
    """All frames of a run that ends, against each population."""
    told = []
    for one in body["against"]:
        other, shifts = one["against"].replace("_", " "), one["shifts"]
        beyond = sum(bool(shift["beyond"]) for shift in shifts)
        found = f"{beyond} of {len(shifts)} watched quantities away from the {other}"
        why = one["obstacle"]
        told.append(found if why is None else f"nothing compared with the {other}: {why}")
    said = "; ".join(told) or "compared with nothing"
    return f"run {body['run']} of {body['instrument']}, drift of {body['frames']} frames: {printable(said)}"


def _model_name(model: dict[str, Any]) -> str:
    return (
        f"{model['name']} {model['version']} ({model['sha256'][:12]}) on {model['backend']} "
        f"{model['precision']}"
    )


def _camera(body: dict[str, Any]) -> str:
    """What a START says of the images, and how far an open run is."""
    start, counts = body.get("start"), body.get("counts")
    shots = (
        f"; {len(start['shots'])} x {start['height']} x {start['width']} {start['dtype']}, "
        f"{start['pixel_size_um']:g} um a pixel"
        if isinstance(start, dict)
        else ""
    )
    so_far = f"; {counts['received']} frames so far" if isinstance(counts, dict) else ""
    return f"{shots}{so_far}{'; synthetic' if body.get('synthetic') else ''}"
