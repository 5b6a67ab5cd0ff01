"""Baselines, the shared policy, its training, evaluation and export."""
