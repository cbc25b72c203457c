"""PyTorch on a CUDA device (fp16, one CUDA graph per batch size) or on a CPU, where it is the reference."""
