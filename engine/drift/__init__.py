"""Whether what a microscope shows now has drifted away from what it, or the model's training, showed before."""
