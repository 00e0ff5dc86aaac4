"""Chat templates: a conversation as the model's own template writes it, its ids, and which are to be learned."""

from curate.template.exact import Exact, Rendering, TrainedTurn
from curate.template.form import to_messages
from curate.template.load import ChatTokenizer, load, template_files
from curate.template.note import Note
from curate.template.render import ChatTemplate, TemplateRefuses

__all__ = [
    "ChatTemplate",
    "ChatTokenizer",
    "Exact",
    "Note",
    "Rendering",
    "TemplateRefuses",
    "TrainedTurn",
    "load",
    "template_files",
    "to_messages",
]
