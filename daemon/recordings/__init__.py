"""Our recording format (``.phenorec``): the exact messages of a microscope; written, read, replayed and recorded."""
