"""Chat templates: a conversation as the model's own template writes it, its ids, and which are to be learned."""

from curate.template.load import ChatTokenizer, load, template_files
from curate.template.mask import TOO_LONG, Masked, Masker, Rejected
from curate.template.render import ChatTemplate, TemplateRefuses, to_messages

__all__ = [
    "TOO_LONG",
    "ChatTemplate",
    "ChatTokenizer",
    "Masked",
    "Masker",
    "Rejected",
    "TemplateRefuses",
    "load",
    "template_files",
    "to_messages",
]
