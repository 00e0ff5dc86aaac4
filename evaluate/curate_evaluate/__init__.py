"""Scoring: the base model and the adapter on the held-out rows, compared pair by pair."""
