"""Small models for the cases of rules: templates of our own, each with one habit that real ones have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tests.template.byte_model import CHATML, write_model
from tests.template.test_embeddings import NAME, WEIGHTS, save

if TYPE_CHECKING:
    from pathlib import Path

OPENED = "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}"
TURN = "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"

NO_SYSTEM = f"""{{%- for m in messages -%}}
{{%- if m.role == 'system' %}}{{{{ raise_exception('System role not supported') }}}}{{% endif -%}}
{TURN}
{{%- endfor -%}}
{OPENED}"""

TOOLS = f"""{{%- if tools %}}{{{{ '<|im_start|>system\\n' + tools|tojson + '<|im_end|>\\n' }}}}{{% endif -%}}
{{%- for m in messages -%}}
{{{{ '<|im_start|>' + m.role + '\\n' + (m.content or '') }}}}
{{%- for call in m.tool_calls or [] %}}{{{{ '<tool_call>' + call.function|tojson + '</tool_call>' }}}}{{% endfor -%}}
{{{{ '<|im_end|>\\n' }}}}
{{%- endfor -%}}
{OPENED}"""

THINKING = """{%- for m in messages -%}
{{ '<|im_start|>' + m.role + '\\n' }}
{%- if m.role == 'assistant' and loop.last %}
{{- '<think>\\n' + (m.reasoning_content or '') + '\\n</think>\\n\\n' }}
{%- endif -%}
{{ m.content + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif -%}
{%- endif -%}"""

OPEN_ENDED = """{%- for m in messages -%}
{{ ('Q: ' if m.role == 'user' else 'A: ') + m.content + '\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ 'A: ' }}{% endif -%}"""

ECHO = """{%- for m in messages -%}
{{ '<|im_start|>' + m.role + '\\n' }}
{%- if m.role == 'assistant' %}{{ messages[loop.index0 - 1].content + ': ' }}{% endif -%}
{{ m.content + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}"""

BARE = """{{- bos_token -}}
{%- for m in messages %}{{ m.content + ('<|im_start|>' if m.role == 'user' else '<|im_end|>') }}{% endfor -%}"""

DATED = "{{ 'Today is ' + strftime_now('%d %B %Y') + '.\\n' }}" + CHATML

MODELS: dict[str, dict[str, Any]] = {
    "chatml": {"template": CHATML, "pad_token": "<|pad|>"},
    "padded-with-its-stop-token": {"template": CHATML, "pad_token": "<|im_end|>"},
    "without-system": {"template": NO_SYSTEM},
    "with-tools": {"template": TOOLS},
    "thinking": {"template": THINKING},
    "open-ended": {"template": OPEN_ENDED},
    "echo": {"template": ECHO},
    "bare": {"template": BARE, "bos_token": "<|begin|>"},
    "dated": {"template": DATED},
    "merging": {"template": CHATML, "words": ["\n\n", "\n "]},
    "with-weights": {"template": CHATML, "untrained": []},
    "never-trained-to-stop": {"template": CHATML, "untrained": ["<|im_end|>"]},
    "never-trained-on-chats": {"template": CHATML, "untrained": ["<|im_start|>", "<|im_end|>"]},
}
TOKENS = ("<|im_start|>", "<|im_end|>", "<|pad|>", "<|begin|>", "<|fin|>")


def model_folder(name: str, folder: Path) -> Path:
    """The folder of one of these models."""
    facts = {"eos_token": "<|im_end|>", **MODELS[name]}
    untrained = facts.pop("untrained", None)
    write_model(folder, control_tokens=TOKENS, **facts)
    if untrained is not None:
        values = np.random.default_rng(0).normal(size=(256 + len(TOKENS), 64)).astype(np.float32)
        values[[256 + TOKENS.index(token) for token in untrained]] = 0
        save(folder / WEIGHTS, {NAME: values})
    return folder
