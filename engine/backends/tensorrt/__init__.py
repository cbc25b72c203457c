"""TensorRT and TensorRT-RTX: one code path, the library injected; engines are built on the box and cached."""
