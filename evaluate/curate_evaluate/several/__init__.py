"""Several trainings as one: over folds, over seeds."""
