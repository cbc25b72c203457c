"""The network as a classifier of stained white cells (BCCD): trained by original, judged by original."""
