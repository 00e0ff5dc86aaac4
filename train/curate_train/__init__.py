"""The thin trainer: a QLoRA adapter from the very tokens that were reviewed."""
