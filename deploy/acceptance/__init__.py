"""What a person with a GPU runs once: builds, golden parity, throughput, latency, memory, in one report."""
