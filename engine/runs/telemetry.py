"""What the machine and the run take: NVML and psutil, field by field; what cannot be known is None, never an error."""

import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from engine.events import Telemetry

_MB = 1 << 20


@dataclass(frozen=True)
class Gpu:
    """One GPU; None where the driver does not say (MIG, containers, old cards)."""

    index: int
    name: str | None = None
    utilisation_percent: float | None = None
    memory_used_mb: float | None = None
    memory_total_mb: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    process_memory_mb: float | None = None
    """Of this run, its child processes included."""


class LoadSampler:
    """Reads the load of the machine; one per run, used from one thread."""

    def __init__(self) -> None:
        import psutil  # not needed to plan or to look, and slow to import

        self._psutil = psutil
        self._process = _try(psutil.Process)
        self._nvml, self._note = _load_nvml()
        _try(lambda: psutil.cpu_percent(None))  # the first call of both only sets their start
        _try(lambda: self._process.cpu_percent(None))

    def sample(self) -> Telemetry:
        """One reading."""
        memory = _try(self._psutil.virtual_memory)
        return Telemetry(
            cpu_percent=_number(lambda: self._psutil.cpu_percent(None)),
            memory_used_mb=_number(lambda: (memory.total - memory.available) / _MB),
            memory_total_mb=_number(lambda: memory.total / _MB),
            process_cpu_percent=_number(lambda: self._process.cpu_percent(None)),
            process_memory_mb=_number(lambda: self._process.memory_info().rss / _MB),
            gpus=tuple(asdict(gpu) for gpu in self._gpus()),
            note=self._note,
        )

    def _gpus(self) -> list[Gpu]:
        nvml = self._nvml
        if nvml is None:
            return []
        pids = self._family()
        return [_read_gpu(nvml, index, pids) for index in range(_try(nvml.nvmlDeviceGetCount) or 0)]

    def _family(self) -> set[int]:
        children = _try(lambda: self._process.children(recursive=True)) or []
        return {os.getpid(), *(child.pid for child in children)}


def _load_nvml() -> tuple[Any, str]:
    try:
        import pynvml

        pynvml.nvmlInit()
    except (
        Exception
    ) as error:  # NVML has an error class per cause, and a broken driver may raise anything else
        return None, f"no NVIDIA GPU is seen ({error})"
    return pynvml, ""


def _read_gpu(nvml: Any, index: int, pids: set[int]) -> Gpu:
    handle = _try(lambda: nvml.nvmlDeviceGetHandleByIndex(index))
    if handle is None:
        return Gpu(index)
    memory = _try(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    return Gpu(
        index=index,
        name=_text(_try(lambda: nvml.nvmlDeviceGetName(handle))),
        utilisation_percent=_number(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        memory_used_mb=_number(lambda: memory.used / _MB),
        memory_total_mb=_number(lambda: memory.total / _MB),
        temperature_c=_number(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        power_w=_number(lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000),
        power_limit_w=_number(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000),
        process_memory_mb=_process_memory(nvml, handle, index, pids),
    )


def _process_memory(nvml: Any, handle: Any, index: int, pids: set[int]) -> float | None:
    """From NVML; in a container, where it does not know our numbers, what torch has reserved."""
    found = _try(lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle)) or []
    own = _number(lambda: sum(entry.usedGpuMemory for entry in found if entry.pid in pids) / _MB)
    torch = sys.modules.get("torch")
    if own or torch is None or not _try(torch.cuda.is_initialized):
        return own
    if _try(torch.cuda.device_count) != _try(nvml.nvmlDeviceGetCount):
        return own  # torch counts only the GPUs that it may use: its numbers are not NVML's
    return _number(lambda: torch.cuda.memory_reserved(index) / _MB)


def _try(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception:  # a reading that fails is a reading that is not there; see _load_nvml
        return None


def _number(read: Callable[[], Any]) -> float | None:
    value = _try(read)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value - value != 0:
        return None
    return round(float(value), 1)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)
