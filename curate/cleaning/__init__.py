"""Cleaning: what becomes of every row of the data, and writing it down so that nothing is lost."""
