"""From raw outputs to numbers with a meaning: probabilities, intervals, sets of classes and thresholds."""
