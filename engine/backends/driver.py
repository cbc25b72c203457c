"""Whether this box has a CUDA device, asked of the driver itself.

Some runtimes crash instead of raising where there is no driver, and importing one takes seconds: this asks first, in a
millisecond, and imports nothing.
"""

import ctypes


def cuda_devices() -> int:
    """How many CUDA devices the driver offers this process; 0 where there is no driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
