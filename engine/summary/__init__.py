"""Plain-language summaries of a window of cells, from facts computed by code."""
