"""The trainer: model, data, training, evaluation and export."""
