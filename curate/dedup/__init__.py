"""Which rows say the same: sketches, candidates, verification, groups."""
