"""OpenVINO on a CPU: the bundle's graph, rewritten while loading so that nothing is computed that nobody reads."""
