"""The processor: what it can do, how many cores there are, and whether it may run as fast as it can."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from phenostream.daemon.tuning.box import cpu_flags, cpu_model
from phenostream.deploy.doctor.finding import Finding, ok, warn
from phenostream.deploy.doctor.patient import Patient
from phenostream.deploy.doctor.tree import number, words
from phenostream.engine.backends.options import usable_cores

EXTENSIONS: Final = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
_CPUS: Final = Path("sys/devices/system/cpu")
_EAGER: Final = ("performance", "schedutil")
"""Governors that bring a core to its full clock within a frame."""
_ENOUGH_CORES: Final = 2


def look(patient: Patient) -> Iterator[Finding]:
    """All that is said of the processor."""
    yield _model()
    yield _cores(patient.root)
    yield _governor(patient.root)
    yield _clocks(patient.root)
    yield _load()


def _model() -> Finding:
    flags = cpu_flags()
    has = [name for name in EXTENSIONS if name in flags]
    told = f"{cpu_model()}; {' '.join(has) or 'none of ' + ' '.join(EXTENSIONS)}"
    if flags and "avx2" not in flags:
        return warn(
            "model",
            told,
            "without AVX2 a CPU backend is many times slower: use a newer processor or a GPU",
        )
    if "amx_bf16" not in flags and "avx512_bf16" not in flags:
        told += "; bf16 is not computed natively, so a CPU backend takes fp32"
    return ok("model", told)


def _cores(root: Path) -> Finding:
    usable, quota = usable_cores(), _quota(root)
    told = f"{usable} of {os.cpu_count()} may be used"
    if quota is not None and quota < usable:
        return warn(
            "cores",
            f"{told}, but only {quota:g} of them at a time (a quota of the control group)",
            "the daemon makes a stream for each core it sees: raise CPUQuota=, or set model.streams",
            cores=usable,
            quota_cores=quota,
        )
    if usable < _ENOUGH_CORES:
        return warn(
            "cores",
            told,
            f"give it {_ENOUGH_CORES} cores or more: receiving and inferring share one here",
            cores=usable,
        )
    return ok("cores", told, cores=usable)


def _quota(root: Path) -> float | None:
    """Cores' worth of time that the control group (version 2) of this box may use; None: all."""
    limit, _, period = words(root / "sys/fs/cgroup/cpu.max").partition(" ")
    if limit.isdigit() and period.isdigit() and int(period):
        return int(limit) / int(period)
    return None


def _governor(root: Path) -> Finding:
    governors = Counter(
        words(path) for path in sorted((root / _CPUS).glob("cpu[0-9]*/cpufreq/scaling_governor"))
    )
    if not governors:
        return ok("governor", "the kernel governs no clock here (usual in a virtual machine)")
    told = ", ".join(f"{name} on {count} cores" for name, count in governors.most_common())
    if all(name in _EAGER for name in governors):
        return ok("governor", told)
    return warn(
        "governor",
        told,
        "a sleepy clock costs latency at low load: cpupower frequency-set -g performance",
    )


def _clocks(root: Path) -> Finding:
    folder = root / _CPUS
    now = [number(path) for path in folder.glob("cpu[0-9]*/cpufreq/scaling_cur_freq")]
    most = [number(path) for path in folder.glob("cpu[0-9]*/cpufreq/cpuinfo_max_freq")]
    throttled = max(
        (number(one) or 0 for one in folder.glob("cpu[0-9]*/thermal_throttle/*_throttle_count")),
        default=0,
    )
    seen, top = [one for one in now if one], [one for one in most if one]
    told = "not told by the kernel"
    if seen and top:
        told = (
            f"{min(seen) / 1e6:.1f} to {max(seen) / 1e6:.1f} GHz now, {max(top) / 1e6:.1f} at most"
        )
    if throttled:
        return warn(
            "clocks",
            f"{told}; slowed down for heat {throttled} times since the box started",
            "see to its cooling: fans, dust, thermal paste, the room",
            throttled=throttled,
        )
    return ok("clocks", told)


def _load() -> Finding:
    load, cores = os.getloadavg()[0], usable_cores()
    told = f"{load:.1f} for {cores} cores in the last minute"
    if load > 2 * cores:
        return warn(
            "load",
            told,
            "see what else runs here (top): whatever takes cores takes cells per second",
            load_1min=load,
        )
    return ok("load", told, load_1min=load)
