"""DPC physics: illumination, forward model, symmetry and the simulator."""
