"""Checkpoints of the paper's authors: read as data, judged, compared, and made into a bundle.

Nothing in a file is run. `imported` is the way in; the others know one step each.
"""
