"""FMT040 to FMT069: rows whose structure is not what their format says. The formats notice these while reading."""

from __future__ import annotations

from curate.finding import Fix
from curate.rules.rule import reading_rule

UNREADABLE = Fix("drop", safe=True)


@reading_rule("FMT040", severity="error", fix=UNREADABLE)
def unknown_format() -> None:
    """A row fits none of the known formats.

    Why it matters: nobody can say which text is the question and which the answer. A trainer stops, or takes a column
    by its position and trains on something else.

    Example: `{"q": "Capital of France?", "a": "Paris"}`, or a line of a log file.

    How to fix it: rename the columns, or name them in curate.toml: `[columns]` with `prompt = "q"` and
    `completion = "a"`. The message names the nearest format and what the row lacks for it.
    """


@reading_rule("FMT041", severity="warning")
def mixed_formats() -> None:
    """A row has another format than the rest of its file.

    Why it matters: a trainer reads one format a file. It stops at the first other row, or fills the missing columns
    with null and trains on empty text. Loading such a file into one table fails where a column has two types.

    Example: one `{"instruction": ..., "output": ...}` among rows of `{"messages": [...]}`.

    How to fix it: `curate convert DATA --to messages -o OUT` brings all rows into one format.
    """


@reading_rule("FMT042", severity="error", fix=UNREADABLE)
def pretokenised_row() -> None:
    """A row holds token ids, not text.

    Why it matters: the ids mean something only to the tokenizer that made them, and what they say can be neither
    checked, cleaned nor reviewed.

    Example: `{"input_ids": [128000, 9906], "labels": [-100, 9906]}`.

    How to fix it: give the data from before tokenisation.
    """


@reading_rule("FMT043", severity="error", fix=UNREADABLE)
def missing_messages() -> None:
    """The conversation of a row is missing, empty, or not a list of turns.

    Why it matters: the row holds nothing to train on, and most trainers stop at it.

    Example: `{"messages": []}`, `{"messages": null}`, `{"conversations": "Hi"}`.

    How to fix it: restore the turns from the source, or drop the row.
    """


@reading_rule("FMT044", severity="error")
def malformed_message() -> None:
    """A turn is not an object with a role and a content.

    Why it matters: trainers stop with a KeyError, or skip the turn, so that the next answer answers another question.

    Example: `{"messages": ["Hi", {"role": "assistant", "content": "Hello"}]}`, a turn without `role`, a turn whose text
    stands in a key such as `message`. A tool call without content is fine.

    How to fix it: write each turn as `{"role": ..., "content": ...}`.
    """


@reading_rule("FMT045", severity="error")
def content_not_text() -> None:
    """A number, true or false, or an object stands where text is expected.

    Why it matters: chat templates print it as Python prints it, so the model learns `True`, `None` or `{'a': 1}` with
    single quotes, or rendering fails.

    Example: `{"question": "2 + 2?", "answer": 4}`, `{"role": "assistant", "content": {"city": "Paris"}}`.

    How to fix it: write the text that the model should say: `"4"`, or the JSON as a string.
    """


@reading_rule("FMT046", severity="warning")
def two_content_keys() -> None:
    """Two keys hold what only one of them may: `content` and `text` of a turn, `messages` and `conversations` of a row.

    Why it matters: trainers disagree about which one they read, so what is trained is not what was reviewed. Some
    refuse the row.

    Example: `{"role": "assistant", "content": "Paris.", "text": "Lyon."}`.

    How to fix it: keep one. The message says which one was read here.
    """


@reading_rule("FMT047", severity="warning")
def json_string_column() -> None:
    """The conversation of a row is JSON inside a string.

    Why it matters: most trainers take the string for text, or fail on its first character; only a few parse it.

    Example: `{"messages": "[{\\"role\\": \\"user\\", ...}]"}`, as it comes out of a CSV file or a data frame.

    How to fix it: `curate convert DATA --to messages -o OUT` writes lists. It was read as the list that it holds.
    """


@reading_rule("FMT048", severity="warning")
def nonstandard_role() -> None:
    """A turn's `role` is a word that most trainers do not map: human, gpt, bot, or another case.

    Why it matters: trainers compare with `user`, `assistant` and `system`. Other words fail, or the turn is rendered
    under its own name and, for an answer, gets no loss.

    Example: `{"role": "human", "content": "Hi"}`, `{"role": "Assistant", ...}`. ShareGPT's `from: human` is fine.

    How to fix it: `curate convert DATA --to messages -o OUT` writes the standard words.
    """


@reading_rule("FMT049", severity="error", fix=Fix("drop"))
def missing_answer() -> None:
    """A row has no answer, in a file whose other rows do.

    Why it matters: the row teaches nothing; a trainer stops at it or trains on the text `None`.

    Example: `{"prompt": "Capital of France?"}` or `{"prompt": "Capital of France?", "completion": null}`.

    How to fix it: write the answer, or drop the row.
    """


@reading_rule("FMT050", severity="error", fix=Fix("drop"))
def missing_prompt() -> None:
    """A row has an answer, but no prompt.

    Why it matters: the model learns to say the answer to nothing at all, so it may say it to anything.

    Example: `{"prompt": null, "completion": "Paris."}`.

    How to fix it: restore the prompt, or drop the row.
    """


@reading_rule("FMT051", severity="error", fix=Fix("drop"))
def missing_preference_side() -> None:
    """One of the two answers of a preference pair is missing.

    Why it matters: there is nothing to prefer, and the trainer stops at the row.

    Example: `{"prompt": "Hi", "chosen": "Hello!", "rejected": null}`.

    How to fix it: write the missing answer, or drop the pair.
    """


@reading_rule("FMT052", severity="warning", fix=Fix("drop"))
def no_winner() -> None:
    """Neither of the two answers of a pair was preferred.

    Why it matters: a pair without a winner has no chosen answer. Taking the first one teaches a preference that nobody
    had.

    Example: `{"conversation_a": [...], "conversation_b": [...], "winner": "tie"}`.

    How to fix it: drop ties before training on preferences.
    """


@reading_rule("FMT053", severity="error")
def invalid_label() -> None:
    """A label that must be true or false is something else.

    Why it matters: in Python every text that is not empty counts as true, `"false"` too, so bad answers are trained as
    good ones.

    Example: `{"prompt": "Hi", "completion": "Go away.", "label": "false"}`, or no label in a KTO row.

    How to fix it: write `true` or `false`.
    """


@reading_rule("FMT054", severity="error")
def invalid_train_flag() -> None:
    """The flag that says whether a turn is trained is neither 0, 1, true nor false.

    Why it matters: the trainer rejects the row, or takes any text for true and trains a turn that should be masked. A
    fraction is legal as `loss_weight`, not as `weight`.

    Example: `{"role": "assistant", "content": "Hi", "weight": "0"}`, `"weight": 0.5`, `"train": "no"`.

    How to fix it: write 0 or 1, true or false.
    """


@reading_rule("FMT055", severity="warning")
def unread_answer_column() -> None:
    """The answer stands in a column that the format never reads.

    Why it matters: the row looks complete, but the trainer sees a question without an answer, and does not say so.

    Example: `{"messages": [{"role": "user", "content": "Hi"}], "assistant": "Hello!"}`, or `completion` empty with the
    text in `response`.

    How to fix it: move the text to where the format has its answer.
    """


@reading_rule("FMT056", severity="error", fix=UNREADABLE)
def tree_without_root() -> None:
    """A message belongs to a conversation tree whose first message is missing.

    Why it matters: without the first message the replies answer nothing that is known.

    Example: a flat Open Assistant row whose `parent_id` is in no other row; a tree whose `prompt` has no text.

    How to fix it: restore the missing parents, or drop the replies.
    """


@reading_rule("FMT057", severity="error")
def unreadable_tools() -> None:
    """The tool definitions of a row are not a list of objects.

    Why it matters: the chat template fails or writes no tools, and the model learns to call tools that it never saw.

    Example: `"tools": "[{\\"name\\": \\"search\\""` (cut JSON), `"tools": ["search"]`.

    How to fix it: write a list of `{"type": "function", "function": {"name": ..., "parameters": {...}}}`.
    """


@reading_rule("FMT058", severity="error")
def malformed_tool_call() -> None:
    """A tool call has no function name, or is not a call at all.

    Why it matters: chat templates raise on it, or render a call that no program can run.

    Example: `"tool_calls": ["search"]`, `"tool_calls": [{"function": {"arguments": "{}"}}]`, a `function_call` turn
    whose text is not the JSON of a call.

    How to fix it: write `{"type": "function", "function": {"name": ..., "arguments": ...}}`.
    """
