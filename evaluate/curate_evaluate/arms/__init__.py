"""The arms and their prompts."""

from curate_evaluate.arms.arm import Arm, arms_for
from curate_evaluate.arms.cases import Case, read_cases
from curate_evaluate.arms.form import format_line
from curate_evaluate.arms.nearest import Nearest, Passage, read_documents
from curate_evaluate.arms.prompts import Prompts

__all__ = ["Arm", "Case", "Nearest", "Passage", "Prompts", "arms_for", "format_line", "read_cases", "read_documents"]
