"""Training of the shared policy: configuration, imitation of a rule, PPO, checkpoints and selection."""
