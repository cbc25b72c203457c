"""A plan file is taken only whole, and only where just that plan would be built; else it says what differs."""

from dataclasses import replace
from pathlib import Path

import pytest

from phenostream.engine.backends.driver import DeviceFacts
from phenostream.engine.backends.tensorrt.build import BuildSettings
from phenostream.engine.backends.tensorrt.library import Library
from phenostream.engine.backends.tensorrt.plan import plan_facts
from phenostream.engine.backends.tensorrt.plan_file import sealed_plan, taken_plan
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.errors import BadInput

DEMO = Path(__file__).parents[4] / "deploy" / "demo_bundle"
LIBRARY = Library("tensorrt", None, "10.13.2")
CARD = DeviceFacts("Card", "9.0", "580.159.04", 80 << 30)
SETTINGS = BuildSettings()
PLAN = bytes(range(256)) * 4


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(DEMO)


@pytest.fixture
def file(bundle: Bundle) -> bytes:
    return sealed_plan(plan_facts(bundle, LIBRARY, SETTINGS, CARD), PLAN)


def test_a_plan_comes_back_where_it_fits(file: bytes, bundle: Bundle) -> None:
    assert taken_plan(file, bundle, LIBRARY, SETTINGS, CARD) == PLAN


def test_the_plan_itself_begins_at_the_third_line(file: bytes) -> None:
    assert file.split(b"\n", 2)[2] == PLAN


@pytest.mark.parametrize(
    ("library", "settings", "device", "says"),
    [
        (
            Library("tensorrt", None, "11.0"),
            SETTINGS,
            CARD,
            r"library 'tensorrt 10\.13\.2', here 'tensorrt 11\.0'$",
        ),
        (
            LIBRARY,
            SETTINGS,
            replace(CARD, driver_version="570.1"),
            r"driver '580\.159\.04', here '570\.1'$",
        ),
        (
            LIBRARY,
            SETTINGS,
            replace(CARD, name="Other", compute_capability="8.9"),
            "gpu 'Card, compute capability 9.0, 81920 MiB', here 'Other, compute capability 8.9, 81920 MiB'$",
        ),
        (LIBRARY, BuildSettings("fp32"), CARD, r"graph '\w{12}', here '\w{12}'$"),
        (
            LIBRARY,
            BuildSettings(buckets=(1, 8), workspace_mib=64),
            CARD,
            r"buckets '1,8,32,128,512,1024', here '1,8'; workspace \(MiB\) '0', here '64'$",
        ),
        (Library("tensorrt_rtx", None, "1.7"), SETTINGS, None, "gpu 'Card.*', here 'any'; driver"),
    ],
)
def test_what_differs_is_named(
    library: Library,
    settings: BuildSettings,
    device: DeviceFacts | None,
    says: str,
    file: bytes,
    bundle: Bundle,
) -> None:
    with pytest.raises(BadInput, match=f"^not a plan for this: .*{says}"):
        taken_plan(file, bundle, library, settings, device)


def test_a_hardware_compatible_plan_fits_a_sister_card_and_no_other(bundle: Bundle) -> None:
    shared = BuildSettings(hardware_compatible=True)
    file = sealed_plan(plan_facts(bundle, LIBRARY, shared, CARD), PLAN)
    sister = replace(CARD, name="Sister")
    assert taken_plan(file, bundle, LIBRARY, SETTINGS, sister) == PLAN
    with pytest.raises(BadInput, match=r"gpu 'compute capability 9\.0', here '.* 8\.9'"):
        taken_plan(file, bundle, LIBRARY, SETTINGS, replace(CARD, compute_capability="8.9"))


def test_a_version_compatible_plan_is_for_other_programs(bundle: Bundle) -> None:
    settings = BuildSettings(version_compatible=True)
    file = sealed_plan(plan_facts(bundle, LIBRARY, settings, CARD), PLAN)
    with pytest.raises(BadInput, match="carries a runtime of its own; the daemon takes none"):
        taken_plan(file, bundle, LIBRARY, settings, CARD)


def test_no_changed_byte_and_no_cut_is_taken(file: bytes, bundle: Bundle) -> None:
    plain = len(file) - len(PLAN)
    places = (*range(plain), *range(plain, len(file), 97))
    altered = [file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :] for at in places]
    cut = [file[:at] for at in range(0, len(file), 53)]
    for content in (*altered, *cut, file + b"\0"):
        with pytest.raises(BadInput):
            taken_plan(content, bundle, LIBRARY, SETTINGS, CARD)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a plan file: it does not begin with 'phenostream plan 1'"),
        (b"phenostream plan 1\n", "its second line does not say what it holds"),
        (b"phenostream plan 1\n" + b"x" * 100_000, "its second line does not say"),
        (b"phenostream plan 1\n" + b"[" * 9000 + b"\n", "its second line does not say"),
        (b'phenostream plan 1\n{"facts": {}, "bytes": 1}\n', "its second line does not say"),
        (
            b'phenostream plan 1\n{"facts": {"a": []}, "bytes": 1, "sha256": ""}\n',
            "its second line does not say",
        ),
        (b'phenostream plan 1\n{"facts": {}, "bytes": 1, "sha256": ""}\n', "cut short or longer"),
        (b'phenostream plan 1\n{"facts": {}, "bytes": 1, "sha256": ""}\nx', "altered: "),
    ],
)
def test_what_is_no_plan_file_is_refused(content: bytes, says: str, bundle: Bundle) -> None:
    with pytest.raises(BadInput, match=says):
        taken_plan(content, bundle, LIBRARY, SETTINGS, CARD)


def test_facts_of_a_later_version_are_refused(bundle: Bundle) -> None:
    facts = {**plan_facts(bundle, LIBRARY, SETTINGS, CARD), "weather": "wet"}
    with pytest.raises(BadInput, match="weather is not known here"):
        taken_plan(sealed_plan(facts, PLAN), bundle, LIBRARY, SETTINGS, CARD)
