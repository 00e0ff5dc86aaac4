"""Mixing several data sets into one, by shares, multiples or counts: nothing twice, nothing lost in silence."""
