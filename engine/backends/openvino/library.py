"""The openvino module, imported so that it stays silent."""

import functools
import sys
from typing import Any

from phenostream.engine.errors import MissingPackage


def import_openvino() -> Any:
    """The openvino module, kept from reporting its use over the network.

    Importing it sends an event to its makers and writes into the home directory, unless `openvino_telemetry` cannot be
    imported; a service beside a microscope does neither.

    Raises:
        MissingPackage: It is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None blocks an import
    try:
        import openvino
    except ImportError as err:
        raise MissingPackage("openvino is not installed: pip install phenostream") from err
    return openvino


@functools.cache
def openvino_core() -> Any:
    """The one core of the process, never let go.

    Its CPU plugin gives the thread that loads it a stack for signals, and frees that when the last of it goes, from
    whatever thread: the next signal would then end the process.

    Raises:
        MissingPackage: openvino is not installed.
    """
    return import_openvino().Core()
