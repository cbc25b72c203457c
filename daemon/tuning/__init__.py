"""What this box was measured to do best: streams, threads and batch of each backend, and which one `auto` takes."""
