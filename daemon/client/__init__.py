"""The Python SDK: send frames, subscribe to results."""
