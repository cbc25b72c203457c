"""ipc is guarded by modes: the folder is ours, the socket file too, and what is not safe is refused."""

import grp
import os
from pathlib import Path

import pytest

from phenostream.daemon.security.ipc_folder import close_socket_file, make_folder
from phenostream.engine.errors import BadConfig

GROUP = grp.getgrgid(os.getgid()).gr_name


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_missing_folder_is_made_for_us_alone_to_its_top(tmp_path: Path) -> None:
    make_folder(tmp_path / "a/b", None, "key")
    assert [mode(tmp_path / "a"), mode(tmp_path / "a/b")] == [0o700, 0o700]


def test_a_group_may_enter_where_it_is_named(tmp_path: Path) -> None:
    make_folder(tmp_path / "run", GROUP, "key")
    assert mode(tmp_path / "run") == 0o750
    (tmp_path / "run/s").touch()
    close_socket_file(f"ipc://{tmp_path}/run/s", GROUP, "key")
    assert mode(tmp_path / "run/s") == 0o660
    close_socket_file(f"ipc://{tmp_path}/run/s", None, "key")
    assert mode(tmp_path / "run/s") == 0o600


def test_a_socket_of_the_group_already_needs_no_chown_which_a_sandbox_may_forbid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    (tmp_path / "s").touch()
    monkeypatch.setattr(os, "chown", forbidden)
    close_socket_file(f"ipc://{tmp_path}/s", GROUP, "key")
    assert mode(tmp_path / "s") == 0o660


@pytest.mark.parametrize(
    ("bits", "group", "said"),
    [
        (0o777, None, "mode 0777 lets anyone put a socket in place of ours"),
        (0o1777, None, None),
        (0o755, None, None),
        (0o700, GROUP, f"group {GROUP} cannot enter, allowed mode 0750"),
        (0o750, "no-such-group", "security.ipc_group: 'no-such-group': allowed a group"),
    ],
)
def test_a_folder_that_is_there_is_judged(
    tmp_path: Path, bits: int, group: str | None, said: str | None
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(bits)
    if said is None:
        make_folder(folder, group, "key")
        return
    with pytest.raises(BadConfig, match=said):
        make_folder(folder, group, "key")


def test_a_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    if os.geteuid() == 0:
        os.chown(tmp_path / "run", 12345, -1)
    else:  # nobody can give a folder away: be somebody else
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(BadConfig, match="belongs to user"):
        make_folder(tmp_path / "run", None, "key")
