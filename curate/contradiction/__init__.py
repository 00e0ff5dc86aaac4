"""Contradictions: the values that texts hold, the claim that an answer makes, and where two claims disagree."""
