"""What stands beside a model's figures: baselines, controls, ablations, and cells changed on purpose."""
