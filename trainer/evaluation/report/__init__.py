"""An evaluation as a page for people: one HTML file without scripts or network, and a summary in Markdown."""
