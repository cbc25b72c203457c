"""What this box can and cannot do, and why."""
