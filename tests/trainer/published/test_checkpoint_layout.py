"""The published layout is read from every container it comes in; what does not fit is one line, and nothing is run."""

import io
import os
import pickle
import re
import struct
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.errors import BadInput  # noqa: E402
from phenostream.trainer.published.checkpoint_layout import expected_shapes, load_published  # noqa: E402
from phenostream.trainer.published.torch_file import LARGEST_FILE  # noqa: E402

State = dict[str, Any]
Maker = Callable[[], State]
Nest = Callable[..., State]
STEM = "cnn.stem.0.weight"
HEAD = "classifier.classifier.8.weight"


def save(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def refused(path: Path) -> str:
    """The one line a file is refused with."""
    with pytest.raises(BadInput) as raised:
        load_published(path)
    said = str(raised.value)
    assert said.startswith(f"{path.name or path}: ")
    assert said.isprintable()
    assert len(said) < 700
    return said


def assert_same(found: State, state: State) -> None:
    assert list(found) == list(expected_shapes())
    for name, tensor in state.items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(found[name], tensor.float()), name


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_both_containers_are_read_in_every_protocol(
    tmp_path: Path, random_state: Maker, published: Nest, options: State, protocol: int
) -> None:
    state = random_state()
    path = save(tmp_path / "a.pth", published(state), pickle_protocol=protocol, **options)
    assert_same(load_published(path), state)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_a_plain_state_dict_of_a_wrapped_network_is_read(
    tmp_path: Path, random_state: Maker, prefix: str
) -> None:
    state = random_state()
    path = save(tmp_path / "a.pth", {prefix + name: value for name, value in state.items()})
    assert_same(load_published(path), state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_types_become_float32(
    tmp_path: Path, random_state: Maker, dtype: Any
) -> None:
    state = {name: value.to(dtype) for name, value in random_state().items()}
    assert_same(load_published(save(tmp_path / "a.pth", state)), state)


def test_parameters_views_and_shared_storages_are_read(tmp_path: Path, random_state: Maker) -> None:
    state = random_state()
    flat = torch.cat([value.float().flatten() for value in state.values()])
    parts = flat.split([value.numel() for value in state.values()])
    views = {name: part.view(state[name].shape) for name, part in zip(state, parts, strict=True)}
    views[HEAD] = torch.nn.Parameter(state[HEAD].t().contiguous().t())
    assert_same(load_published(save(tmp_path / "a.pth", views)), state)


def test_counts_of_batches_may_be_absent(tmp_path: Path, random_state: Maker) -> None:
    state = {k: v for k, v in random_state().items() if not k.endswith("num_batches_tracked")}
    assert_same(load_published(save(tmp_path / "a.pth", state)), state)


@pytest.mark.parametrize("core", ["core", "_core"])
def test_numbers_of_numpy_1_and_2_are_let_in(
    tmp_path: Path, random_state: Maker, published: Nest, core: str
) -> None:
    state = random_state()
    written = save(tmp_path / "a.pth", published(state))
    renamed = {
        b"numpy._core.": f"numpy.{core}.".encode(),
        b"numpy.core.": f"numpy.{core}.".encode(),
    }
    content = edited(written, "data.pkl", lambda pickled: _replaced(pickled, renamed))
    assert f"numpy.{core}.multiarray".encode() in content
    (tmp_path / "b.pth").write_bytes(content)
    assert_same(load_published(tmp_path / "b.pth"), state)


def _replaced(text: bytes, renamed: dict[bytes, bytes]) -> bytes:
    for old, new in renamed.items():
        text = text.replace(old, new)
    return text


def edited(path: Path, member: str, change: Callable[[bytes], bytes]) -> bytes:
    """The zip again, one member changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if name.endswith(f"/{member}") else data)
    return buffer.getvalue()


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("place", ["beside", "inside", "array", "key", "hooks", "last"])
def test_a_checkpoint_that_would_run_code_is_refused_and_nothing_runs(
    tmp_path: Path, random_state: Maker, published: Nest, evil: Any, canary: Path, place: str, old: bool
) -> None:  # fmt: skip
    state = random_state()
    content: Any = published(state)
    if place == "beside":
        content["note"] = evil
    elif place == "inside":
        content["model_state_dict"][HEAD] = evil
    elif place == "array":
        content["history"]["odd"] = np.array([1, evil], dtype=object)
    elif place == "key":
        content = {"model_state_dict": state, ("a", 1): [[{"b": (evil,)}]]}
    elif place == "hooks":
        weight = torch.nn.Parameter(state[HEAD])
        weight.odd = evil
        content["model_state_dict"][HEAD] = weight
    else:
        content = [content, evil]
    path = save(tmp_path / "evil.pth", content, _use_new_zipfile_serialization=not old)
    said = refused(path)
    assert "mentions posix.system; " in said or "mentions torch._" in said
    assert "nothing was run" in said
    assert not canary.exists()


@pytest.mark.parametrize(
    "pickled",
    [
        b"cposix\nsystem\n(X\x06\x00\x00\x00canarytR.",
        b"(X\x06\x00\x00\x00canaryiposix\nsystem\n.",
        b"(cposix\nsystem\nX\x06\x00\x00\x00canaryo.",
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x06canary\x85R.",
        b"ctorch.storage\n_load_from_bytes\n(X\x06\x00\x00\x00canarytR.",
        b"ctorch.hub\nload\n(X\x06\x00\x00\x00canarytR.",
        b"cbuiltins\neval\n(X\x06\x00\x00\x00canarytR.",
        b"cbuiltins\ngetattr\n(X\x06\x00\x00\x00canarytR.",
        b"cnumpy.testing._private.utils\nruntestcf\n.",
        b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n.",
    ],
)
def test_a_hand_written_pickle_finds_no_other_way(tmp_path: Path, pickled: bytes) -> None:
    path = tmp_path / "evil.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickled)
    assert "nothing was run" in refused(path)
    old = tmp_path / "old.pth"
    head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    old.write_bytes(b"".join(pickle.dumps(one, 2) for one in head) + pickled)
    assert "nothing was run" in refused(old)


def test_a_forged_numpy_dtype_is_never_built(tmp_path: Path, random_state: Maker) -> None:
    """numpy makes an array of objects of it whose pointers are the file's bytes: reading one ends the process."""
    forged = (
        b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"
        b"(K\x01(K\x01tcnumpy\ndtype\n(X\x02\x00\x00\x00O8I00\nI01\ntR"
        b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"I00\nC\x08AAAAAAAAtb"
    )
    state = random_state()
    path = save(tmp_path / "a.pth", {"model_state_dict": state, "odd": None})
    content = edited(path, "data.pkl", lambda data: _before_none(data, forged))
    (tmp_path / "b.pth").write_bytes(content)
    assert_same(load_published(tmp_path / "b.pth"), state)


def _before_none(pickled: bytes, instead: bytes) -> bytes:
    """The last None, the value of the last key, replaced."""
    place = pickled.rindex(b"N")
    return pickled[:place] + instead + pickled[place + 1 :]


def test_a_torchscript_archive_is_a_program(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "a.pt"))
    assert "a TorchScript archive, which is a program" in refused(tmp_path / "a.pt")


def test_extra_members_are_never_read(tmp_path: Path, random_state: Maker) -> None:
    state = random_state()
    path = save(tmp_path / "a.pth", state)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("a/extra/evil.pkl", b"cposix\nsystem\n(X\x01\x00\x00\x00xtR.")
        archive.writestr("a/data/9999", b"x" * 100)
        archive.writestr("../../escape", b"x")
    assert_same(load_published(path), state)
    assert [one.name for one in tmp_path.iterdir()] == ["a.pth"]


def test_a_whole_network_is_refused_by_the_name_of_its_class(tmp_path: Path) -> None:
    said = refused(save(tmp_path / "a.pth", torch.nn.Linear(2, 2)))
    assert "mentions torch.nn.modules.linear.Linear; " in said


def changed(change: Callable[[State], object]) -> Callable[[State], State]:
    def apply(state: State) -> State:
        change(state)
        return state

    return apply


def other(name: str, *shape: int) -> Callable[[State], State]:
    return changed(lambda state: state.update({name: torch.zeros(shape)}))


def csr(state: State) -> State:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls these tensors a beta
        state[HEAD] = state[HEAD].to_sparse_csr()
    return state


def quantised(state: State) -> State:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state[HEAD] = torch.quantize_per_tensor(state[HEAD], 0.1, 0, torch.qint8)
    return state


MISFITS: list[tuple[str, Callable[[State], Any], str]] = [
    ("missing", changed(lambda s: s.pop(HEAD)), f"1 missing tensor: {HEAD} (3, 64)"),
    (
        "half",
        lambda s: dict(list(s.items())[:-4]) | {"task_gating.x": torch.zeros(2)},
        "4 missing tensors: regressor.regressor.5.weight (64,), regressor.regressor.5.bias (64,), "
        "regressor.regressor.8.weight (4, 64) and 1 more; 1 unknown tensor: task_gating.x (2,)",
    ),
    ("extra", other("reject.0.weight", 5), "1 unknown tensor: reject.0.weight (5,)"),
    ("shape", other(HEAD, 3, 65), f"1 misfit tensor: {HEAD} is (3, 65), expected (3, 64)"),
    ("axes", other("vit.pos_embed", 50, 128), "vit.pos_embed is (50, 128), expected (1, 50, 128)"),
    ("integer", changed(lambda s: s.update({HEAD: s[HEAD].long()})), "is int64, expected a float"),
    ("complex", changed(lambda s: s.update({HEAD: s[HEAD] * 1j})), "is complex64, expected a float"),
    ("sparse", changed(lambda s: s.update({HEAD: s[HEAD].to_sparse()})), f"{HEAD} is sparse"),
    ("csr", csr, f"{HEAD} is sparse"),
    ("quantised", quantised, f"{HEAD} is quantised, expected a plain tensor"),
    ("meta", changed(lambda s: s.update({HEAD: s[HEAD].to("meta")})), f"{HEAD} is empty"),
    ("nan", changed(lambda s: s[HEAD][0].fill_(float("nan"))), f"not finite in {HEAD} (64)"),
    ("inf", changed(lambda s: s[HEAD][0, 0].fill_(float("inf"))), f"not finite in {HEAD} (1)"),
    (
        "too large",
        changed(lambda s: s.update({HEAD: s[HEAD].double() * 1e300})),
        f"not finite in {HEAD}",
    ),
    (
        "negative",
        changed(lambda s: s["cnn.stem.1.running_var"][:3].fill_(-1)),
        "negative variances in cnn.stem.1.running_var (3)",
    ),
    (
        "stained",
        other(STEM, 64, 3, 3, 3),
        f"another architecture: 3 input channels, expected 4, as for stained RGB images ({STEM})",
    ),
    ("channels", other(STEM, 64, 6, 3, 3), f"6 input channels, expected 4 ({STEM})"),
    ("classes", other(HEAD, 5, 64), f"another architecture: 5 classes, expected 3 ({HEAD})"),
    ("markers", other("regressor.regressor.8.weight", 9, 64), "9 markers, expected 4 ("),
    ("crops", other("vit.pos_embed", 1, 1025, 128), "crops of 1025 positions, expected 50 ("),
    (
        "ungated",
        lambda s: {k: v for k, v in s.items() if not k.startswith("task_gating")},
        "another architecture: without task gating",
    ),
    (
        "resnet",
        lambda s: {f"layer{i}.conv.weight": torch.zeros(2) for i in range(9)},
        "another network: none of its 9 tensors is one of ours (layer0.conv.weight, ",
    ),
    ("nothing", lambda s: {}, "holds no model_state_dict, and is no state dict itself"),
    ("list", lambda s: [1, 2], "holds no model_state_dict, and is no state dict itself"),
    ("other keys", lambda s: {"net": s, "epoch": 3}, "holds no model_state_dict, only net, epoch"),
    ("no tensors", lambda s: {"model_state_dict": {"a": 1.5}}, "holds what is no tensor: a"),
    ("odd names", lambda s: {"a\x1b[2J": torch.zeros(1)}, r"one of ours ('a\x1b[2J')"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"), [one[1:] for one in MISFITS], ids=[one[0] for one in MISFITS]
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, random_state: Maker, change: Callable[[State], Any], says: str
) -> None:
    assert says in refused(save(tmp_path / "a.pth", change(random_state())))


def test_a_storage_that_is_huge_is_refused_before_it_is_read(
    tmp_path: Path, random_state: Maker
) -> None:
    state = random_state()
    del state[HEAD]
    state[HEAD] = torch.zeros(1).expand(3, 64)  # the last tensor, in a storage of one number
    path = save(tmp_path / "a.pth", state)
    (tmp_path / "b.pth").write_bytes(edited(path, "data.pkl", _longer_storage))
    assert "lies in a storage of 2000000000 numbers, expected 3632488 at most" in refused(
        tmp_path / "b.pth"
    )


def _longer_storage(pickled: bytes) -> bytes:
    """The last storage of one number (counts of batches have such, too): its length stands before the tuple's end."""
    place = [match.start() for match in re.finditer(rb"K\x01t(q.|r....)Q", pickled, re.DOTALL)][-1]
    return pickled[:place] + b"J" + struct.pack("<i", 2_000_000_000) + pickled[place + 2 :]


def test_a_packed_storage_that_unpacks_to_more_is_refused(
    tmp_path: Path, random_state: Maker
) -> None:
    path = save(tmp_path / "a.pth", random_state())
    bomb = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, bytes(1 << 27) if name.endswith("/data/7") else old.read(name))
    (tmp_path / "b.pth").write_bytes(bomb.getvalue())
    assert "storage 7: data/7 unpacks to 134217728 bytes, allowed " in refused(tmp_path / "b.pth")


@pytest.mark.parametrize("old", [False, True])
def test_a_file_cut_anywhere_is_refused(
    tmp_path: Path, random_state: Maker, published: Nest, old: bool
) -> None:
    path = save(
        tmp_path / "a.pth", published(random_state()), _use_new_zipfile_serialization=not old
    )
    content = path.read_bytes()
    for share in (0.0001, 0.001, 0.3, 0.7, 0.999):
        path.write_bytes(content[: max(1, int(share * len(content)))])
        refused(path)


def test_a_changed_byte_of_a_weight_is_found(tmp_path: Path, random_state: Maker) -> None:
    path = save(tmp_path / "a.pth", random_state())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)
    assert "Bad CRC-32" in refused(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", f"has 0 bytes, allowed 1 to {LARGEST_FILE}"),
        (b"\x00" * 100, "not a readable checkpoint"),
        (b"PK\x03\x04" + b"\x00" * 100, "not a readable checkpoint: File is not a zip file"),
        (pickle.dumps({"a": 1}), "not a readable checkpoint: not written by torch.save"),
        (b"\x00" * 257 + b"ustar" + b"\x00" * 300, "a tar file, as torch wrote before 0.2"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "noise.pth"
    path.write_bytes(content)
    assert says in refused(path)


def test_folders_pipes_absent_and_endless_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    assert "is a folder, expected a checkpoint file" in refused(tmp_path / "folder")
    assert "is no regular file" in refused(tmp_path / "pipe")
    assert "cannot be read (No such file" in refused(tmp_path / "absent")
    assert "bytes, allowed 1 to" in refused(tmp_path / "large")
    assert "is no regular file" in refused(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({}, "with 0 members data.pkl"),
        ({"a/data.pkl": b"", "b/data.pkl": b""}, "with 2 members data.pkl"),
        ({"a/data.pkl": b"N.", "a/byteorder": b"big"}, "big-endian"),
        ({"a/data.pkl": b""}, "not a readable checkpoint: "),
        ({"a/data.pkl": b"N."}, "holds no model_state_dict"),
        ({"a/data.pkl": b"N.", "a/constants.pkl": b""}, "a TorchScript archive"),
    ],
)
def test_zip_files_of_another_kind_are_refused(
    tmp_path: Path, members: dict[str, bytes], says: str
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme", b"")
        for name, data in members.items():
            archive.writestr(name, data)
    assert says in refused(path)


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("a/data.pkl", b"N.")
        archive.writestr("a/data.pkl", b"}.")
    assert "a member is there twice" in refused(path)


def test_reading_imports_nothing_that_the_file_names(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"cantigravity\nopen\n.")
    assert "mentions antigravity.open" in refused(path)
    assert "antigravity" not in sys.modules


def test_a_folder_is_named_also_where_its_path_has_no_last_part() -> None:
    assert refused(Path(".")) == ".: is a folder, expected a checkpoint file"
