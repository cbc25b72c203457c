"""The published BSCCM data sets: their layout, labels and masks, a packer, and a synthetic mirror of them."""
