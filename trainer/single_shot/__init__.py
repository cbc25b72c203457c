"""White cells from one DPC shot alone: simulated ones to learn from, published figures of real ones to be judged on."""
