"""Trained LoRA adapters: what is in them, how much of their rank they use, and several made into one."""
