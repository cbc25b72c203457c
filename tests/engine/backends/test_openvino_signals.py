"""A signal is survived by a process whose first model was closed by another thread than the one that opened it."""

import subprocess
import sys

import pytest

pytest.importorskip("openvino")

_PROGRAM = """
import signal, threading
from phenostream.deploy.bundles import demo_bundle
from phenostream.engine.backends.registry import open_backend
from phenostream.engine.bundle import load_bundle

came = []
signal.signal(signal.SIGTERM, lambda *_: came.append(1))
models = [open_backend(load_bundle(demo_bundle()), "openvino", streams=1, max_batch=1)]
def close():
    models.pop().close()
thread = threading.Thread(target=close)
thread.start()
thread.join()
signal.raise_signal(signal.SIGTERM)
print(len(came))
"""


def test_a_model_that_another_thread_closes_takes_no_signal_stack_with_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["1"]), done.stderr[-2000:]
