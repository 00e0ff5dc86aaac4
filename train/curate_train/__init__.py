"""The thin trainer: a QLoRA adapter from the very tokens that were reviewed."""

import logging

# When it is imported it advises to install another package, as if something had failed.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
