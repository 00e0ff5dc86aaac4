"""Which of two answers is better: said by people who do not know whose they are, or by a model."""
