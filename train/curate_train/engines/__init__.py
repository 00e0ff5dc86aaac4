"""Other trainers behind `curate train --engine`, with our rows, our checks, our checkpoints and our log."""
