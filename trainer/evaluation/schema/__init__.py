"""What an evaluation says, as closed documents; every figure with its interval."""
