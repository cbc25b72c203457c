"""What a model does on test cells, as figures with intervals by field of view."""
