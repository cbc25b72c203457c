"""Nothing of ours reads or writes a pickle, and a daemon's whole life unpickles nothing.

numpy and pyzmq import `pickle` for uses of their own; that cannot be helped and harms nobody: what matters is
that no bytes from a socket or a file are ever given to it, and that is what is shown here.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("daemon", "deploy", "engine", "trainer", "docs/reference", "tests/data")
MODULES = (
    "pickle",
    "_pickle",
    "cloudpickle",
    "dill",
    "joblib",
    "shelve",
    "marshal",
    "multiprocessing",
)
CALLS = {"recv_pyobj", "send_pyobj", "read_pickle", "to_pickle", "ProcessPoolExecutor"}


def faults(source: str) -> Iterator[str]:
    """What a module does with pickles, by line."""
    tree = ast.parse(source)
    ours = {
        name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("phenostream.")
        for name in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from _import_faults(node, [name.name for name in node.names])
        elif isinstance(node, ast.ImportFrom):
            yield from _import_faults(node, [str(node.module)])
        elif isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            if function.rpartition(".")[2] in ("import_module", "__import__"):
                texts = [str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)]
                yield from _import_faults(node, texts)
            yield from _call_faults(node, function, ours)


def _import_faults(node: ast.stmt | ast.expr, names: list[str]) -> Iterator[str]:
    for name in names:
        if name.split(".")[0] in MODULES:
            yield f"line {node.lineno}: imports {name}"


def _call_faults(node: ast.Call, function: str, ours: set[str]) -> Iterator[str]:
    module, _, name = function.rpartition(".")
    if name in CALLS and name not in ours:
        yield f"line {node.lineno}: calls {function}"
    if function in ("torch.load", "torch.save", "pd.read_pickle"):
        yield f"line {node.lineno}: calls {function}"
    if module.split(".")[0] in ("np", "numpy") and name in ("load", "read_array"):
        safe = any(
            key.arg == "allow_pickle"
            and isinstance(key.value, ast.Constant)
            and not key.value.value
            for key in node.keywords
        )
        if not safe:
            yield f"line {node.lineno}: calls {function} without allow_pickle=False"


def test_no_module_imports_a_pickler_or_calls_one() -> None:
    files = [path for folder in OURS for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 200
    found = [
        f"{path.relative_to(ROOT)}: {fault}"
        for path in files
        for fault in faults(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "import os, pickle as p",
        "from pickle import loads",
        "from multiprocessing import Queue",
        "import importlib; importlib.import_module('marshal')",
        "__import__('dill')",
        "socket.recv_pyobj()",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.lib.format.read_array(file)",
        "torch.load(path)",
    ],
)
def test_a_seeded_pickler_is_caught(line: str) -> None:
    assert list(faults(line)) != []


LIFE = """
import builtins, importlib, json, signal, sys
from pathlib import Path

BANNED = set(json.loads(sys.argv[2]))
importers, unpickled, real = {}, [], builtins.__import__

def watched(name, globals=None, locals=None, fromlist=(), level=0):
    root = name.split(".")[0]
    if root in BANNED and not level:
        importers.setdefault(root, set()).add((globals or {}).get("__name__", ""))
    return real(name, globals, locals, fromlist, level)

def audit(event, arguments):
    if event == "pickle.find_class":
        unpickled.append(f"{event} {arguments[-1]!r}"[:200])

def told(name, function):
    def call(*args, **named):
        unpickled.append(name)
        return function(*args, **named)
    return call

import pickle
for name in ("load", "loads", "Unpickler"):
    setattr(pickle, name, told(name, getattr(pickle, name)))
builtins.__import__ = watched
sys.addaudithook(audit)
from phenostream.daemon.lifecycle import serve
import phenostream.deploy.cli.run
from phenostream.deploy.bundles import load_site_config

def ready(_):
    signal.raise_signal(signal.SIGTERM)

config = load_site_config(Path(sys.argv[1]))
import cryptography.hazmat.primitives.asymmetric.ed25519
code = serve(config, ready)
importers = {root: sorted(names) for root, names in importers.items()}
print(json.dumps({"code": code, "importers": importers, "unpickled": unpickled}))
"""


def _life(tmp_path: Path, code: str) -> dict[str, object]:
    config = tmp_path / "daemon.toml"
    config.write_text(
        '[ingest]\nendpoint = "ipc://i"\n[results]\nendpoint = "ipc://r"\n'
        '[control]\nendpoint = "ipc://c"\n[journal]\ndirectory = "journal"\n'
        '[model]\nbundle = "demo"\nmax_batch = 4\n'
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(config), json.dumps(list(MODULES))],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.system
def test_a_daemons_life_imports_no_pickler_by_us_and_unpickles_nothing(tmp_path: Path) -> None:
    said = _life(tmp_path, LIFE)
    assert said["code"] == 0
    assert said["unpickled"] == []
    importers = said["importers"]
    assert isinstance(importers, dict)
    assert "numpy" in {name.split(".")[0] for name in importers["pickle"]}
    ours = [name for names in importers.values() for name in names if "phenostream" in name]
    assert ours == []


def test_an_unpickled_object_would_have_been_seen(tmp_path: Path) -> None:
    seeded = LIFE.replace(
        "def ready(_):\n",
        "def ready(_):\n    import pickle\n    pickle.loads(b'cos\\ngetpid\\n.')\n",
    )
    said = _life(tmp_path, seeded)
    assert said["unpickled"] == ["loads", "pickle.find_class 'getpid'"]
    importers = said["importers"]
    assert isinstance(importers, dict)
    assert "__main__" in importers["pickle"]
