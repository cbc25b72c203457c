"""The software itself: versions that matter, above all libzmq's, through which strangers are heard."""

import platform
import sys
from collections.abc import Iterator
from typing import Final

import zmq

from phenostream.daemon.tuning.box import own_version
from phenostream.deploy.bench.box import describe_box
from phenostream.deploy.doctor.finding import Finding, fail, ok
from phenostream.deploy.doctor.patient import Patient

LEAST_LIBZMQ: Final = (4, 3, 3)
"""Older ones can be made to overwrite their own memory by whoever connects (CVE-2019-6250, CVE-2019-13132), or to use
it up before they know him (CVE-2020-15166)."""


def look(patient: Patient) -> Iterator[Finding]:
    """Ours, Python's, libzmq's, and the libraries' versions."""
    yield ok("phenostream", f"{own_version()} on Python {platform.python_version()}, {sys.prefix}")
    yield libzmq(zmq.zmq_version_info(), curve=zmq.has("curve"))
    versions: dict[str, str] = describe_box()["versions"]
    yield ok("libraries", ", ".join(f"{name} {version}" for name, version in versions.items()))


def libzmq(version: tuple[int, ...], *, curve: bool) -> Finding:
    """Whether strangers may be heard through this one."""
    told = f"{'.'.join(map(str, version))}{', with CURVE' if curve else ', WITHOUT CURVE'}"
    if version < LEAST_LIBZMQ:
        least = ".".join(map(str, LEAST_LIBZMQ))
        return fail("libzmq", told, f"{least} or newer: pip install --upgrade pyzmq")
    if not curve:
        return fail("libzmq", told, "tcp with keys needs it: the pyzmq of the package index has it")
    return ok("libzmq", told)
