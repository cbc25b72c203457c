"""A daemon as a child: it goes when its parent goes, however that ends."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from phenostream.deploy.child import child_settings
from phenostream.engine.errors import EngineFault

_PARENT = """
import signal, sys
from pathlib import Path
from phenostream.deploy.child import DaemonChild
with DaemonChild(Path(sys.argv[1]), sys.argv[2]) as child:
    print(child.pid, flush=True)
    signal.pause()
"""


@pytest.mark.timeout(60)
def test_the_daemon_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PARENT, str(tmp_path / "d"), child_settings("demo")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        daemon = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.kill()
            assert select.select([daemon], [], [], 30)[0], "the daemon outlived its parent"
        finally:
            os.close(daemon)


def test_a_parent_that_has_gone_is_noticed() -> None:
    script = f"from phenostream.deploy.parent import end_with; end_with({os.getpid() + 1})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert EngineFault.__name__ in done.stderr


@pytest.mark.timeout(60)
def test_sigterm_ends_the_demo_with_its_daemon_and_its_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "phenostream.deploy.cli", "demo", "--frames", "100000"]
    command += ["--size", "256", "--cells", "4"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as demo:
        assert demo.stdout is not None
        assert "daemon ready" in demo.stdout.readline()
        demo.send_signal(signal.SIGTERM)
        _, said = demo.communicate(timeout=40)
    assert demo.returncode == 143
    assert said.splitlines()[-1] == "phenostream demo: terminated"
    assert not list(tmp_path.glob("phenostream-*"))
