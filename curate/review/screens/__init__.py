"""The pages of the review: what stands on each, and what its buttons do."""
