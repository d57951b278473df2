"""Training: one loop, its optimisers and schedules, its checkpoints."""
