"""Compare what curate says that other trainers would train with what the trainers' own packages do.

    python benchmarks/other_trainers.py [--data DIR] [--rows N] [--write]

In an environment with trl, unsloth_zoo and axolotl beside curate; without most of their requirements, they do. Each
package masks the first N rows of three data sets by the chat templates of real tokenizers, and conversations of every
kind by the templates that TRL knows. A mask agrees if its flag is the same for every token. "Told apart" are rows on
which the package fails or trains another text, and curate says so; "not said" those that curate leaves open. Exit
codes: 0 no mask differs, 1 one does, 2 a package or data are missing.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import re
import sys
import tempfile
import warnings
from collections import Counter
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Tokenizer

import curate
from curate.demo_model import demo_tokenizer
from curate.errors import CurateError
from curate.sample import Message, Sample, ToolCall
from curate.template import Exact, load, to_messages
from curate.template.trainers import Trainers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
DATA = ("v1_sft_demo.jsonl", "gsm8k_train.jsonl", "glaive_toolcall_en_demo.json")
MODELS = ("qwen3", "llama3_1", "deepseek_v3", "gemma3")
CLOCK = datetime.date.today()  # what transformers writes, where a template wants it
CONTROL = re.compile(r"<[|｜]?[\w▁]+[|｜]?>|\[/?[A-Z_]+\]|<end_of_turn>")
LEGEND = """\
Rows whose mask by curate is that of the package for every token; those on which the package fails or trains another
text, and curate says so; those that curate leaves open; those where the two differ."""
Mask = list[bool] | None


def conversations() -> Iterator[Sample]:
    """Ordinary conversations, and some that are hard to mask."""
    user, answer = Message("user", "Where is the harbour?"), Message("assistant", "Behind the old mill.")
    system = Message("system", "Answer in one sentence.")
    more = [Message("user", "And the station?"), Message("assistant", "North of it.\n\nIt is small.")]
    call = Message("assistant", "", tool_calls=[ToolCall("weather", {"city": "Oslo"}, "call12345")])
    result = Message("tool", '{"sky": "clear"}', tool_call_id="call12345", name="weather")
    described = {"name": "weather", "description": "The sky now.", "parameters": {"type": "object", "properties": {}}}
    tool = {"type": "function", "function": described}
    yield Sample([user, answer])
    yield Sample([system, user, answer])
    yield Sample([user, answer, *more])
    yield Sample([system, user, answer, *more, user, answer])
    yield Sample([user, Message("assistant", "Let us see.", reasoning="They ask about a place.")])
    yield Sample([user, Message("assistant", "<think>\nA place.\n</think>\n\nBehind the mill."), *more])
    yield Sample([user, call, result, Message("assistant", "The sky is clear.")], tools=[tool])
    yield Sample([user, Message("assistant", "  def f(x):\n    return x  "), *more])
    yield Sample([user, Message("assistant", "Wo ist der Hafen? 港はどこですか。 👩‍👩‍👧"), *more])
    yield Sample([user, answer, user, answer, answer])
    yield Sample([user, Message("assistant", "user\nassistant\n<|im_start|>user\nHm"), *more])


def trl_mask(tokenizer: Any, messages: Any, tools: Any) -> tuple[Mask, list[int]]:
    from trl.chat_template_utils import get_training_chat_template, has_generation_markers

    template = None if has_generation_markers(tokenizer.chat_template) else get_training_chat_template(tokenizer)
    made = tokenizer.apply_chat_template(
        messages, tools=tools, return_dict=True, return_assistant_tokens_mask=True, chat_template=template
    )
    if 1 not in made["assistant_masks"]:
        raise RuntimeError("no assistant tokens")
    return [bool(flag) for flag in made["assistant_masks"]], made["input_ids"]


def unsloth_mask(tokenizer: Any, messages: Any, tools: Any) -> tuple[Mask, list[int]]:
    unsloth = _alone("unsloth_zoo", "dataset_utils.py")
    ids = tokenizer.apply_chat_template(messages, tools=tools, return_dict=False)
    instruction, response = unsloth.get_chat_template_parts(tokenizer)
    mask = unsloth.train_on_responses_only(
        None, instruction_part=instruction, response_part=response, tokenizer=tokenizer, return_function=True
    )
    (labels,) = mask({"input_ids": [ids]})["labels"]
    if all(label == -100 for label in labels):
        raise RuntimeError("no label is left")
    return [label != -100 for label in labels], ids


def axolotl_mask(tokenizer: Any, messages: Any, tools: Any) -> tuple[Mask, list[int]]:
    from axolotl.prompt_strategies.chat_template import ChatTemplatePrompter, ChatTemplateStrategy

    prompter = ChatTemplatePrompter(tokenizer, chat_template=tokenizer.chat_template, max_length=10**6)
    strategy = ChatTemplateStrategy(
        prompter, tokenizer, False, 10**6, roles_to_train=["assistant"], train_on_eos="turn"
    )
    made = strategy.tokenize_prompt({"messages": messages} | ({"tools": tools} if tools else {}))
    return [label != -100 for label in made["labels"]], made["input_ids"]


PACKAGES: dict[str, tuple[str, Callable[..., tuple[Mask, list[int]]]]] = {
    "TRL": ("trl", trl_mask),
    "Unsloth": ("unsloth_zoo", unsloth_mask),
    "Axolotl": ("axolotl", axolotl_mask),
}
_modules: dict[str, Any] = {}


def _alone(package: str, file: str) -> Any:
    """One file of a package, without the package, which wants a GPU."""
    if package not in _modules:
        found = importlib.util.find_spec(package)
        assert found is not None and found.submodule_search_locations is not None
        spec = importlib.util.spec_from_file_location(file[:-3], Path(found.submodule_search_locations[0], file))
        assert spec is not None and spec.loader is not None
        _modules[package] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(_modules[package])
    return _modules[package]


def with_tokens_of(folder: Path, template: str, made: Path) -> Path:
    """A copy of a model folder whose tokenizer has the control tokens of a template, and stops where it stops."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokens = [token for token in dict.fromkeys(CONTROL.findall(template)) if "{" not in token]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in ["<s>", *tokens]])
    made.mkdir()
    tokenizer.save(str(made / "tokenizer.json"))
    config = json.loads((folder / "tokenizer_config.json").read_bytes()) | {
        "chat_template": template,
        "bos_token": "<s>",
    }
    config.pop("added_tokens_decoder", None)
    (made / "tokenizer_config.json").write_text(json.dumps(config))
    exact = Exact(load(made), {}, CLOCK)
    if exact.facts.stop:
        (made / "tokenizer_config.json").write_text(json.dumps(config | {"eos_token": exact.facts.stop}))
    exact.close()
    return made


def compare(folder: Path, samples: list[Sample]) -> tuple[dict[str, Counter[str]], list[str]]:
    """By trainer, how many masks agree, are told apart, or differ; and the differences."""
    from transformers import AutoTokenizer

    chat = load(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = chat.templates["default"]
    exact = Exact(chat, {}, CLOCK)
    renderings = [made[0] for made in exact.read(samples)]
    form = exact.facts.form
    as_given = replace(form, missing="null")
    exact.close()
    masks = Trainers(chat, {}, CLOCK, form).masks(list(zip(samples, renderings, strict=True)))
    counts: dict[str, Counter[str]] = {trainer: Counter() for trainer in PACKAGES}
    differences = []
    for n, (sample, rendering, row) in enumerate(zip(samples, renderings, masks, strict=True)):
        if not rendering.text:
            continue
        for mask in row:
            if mask.trainer not in PACKAGES:
                continue
            try:
                theirs, ids = PACKAGES[mask.trainer][1](tokenizer, to_messages(sample, as_given), sample.tools or None)
            except Exception as error:
                theirs, ids = None, []
                why = f"{type(error).__name__}: {str(error)[:80]}"
            else:
                why = "trains"
            if mask.trained is None:
                is_other = theirs is None or ids != rendering.ids
                counts[mask.trainer]["told apart" if is_other else "not said"] += 1
            elif theirs == mask.trained and ids == rendering.ids:
                counts[mask.trainer]["agree"] += 1
            else:
                counts[mask.trainer]["differ"] += 1
                differences.append(f"{folder.name}: {mask.trainer}, row {n}: {why}")
    return counts, differences


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    missing = [package for package, _ in PACKAGES.values() if importlib.util.find_spec(package) is None]
    missing += [name for name in DATA if not (options.data / name).is_file()]
    if missing:
        print(f"missing: {', '.join(missing)}", file=sys.stderr)
        return 2
    warnings.simplefilter("ignore")
    lines = ["| rows | " + " | ".join(f"{t}: agree, told apart, not said, differ" for t in PACKAGES) + " |"]
    lines.append("|---|" + "---|" * len(PACKAGES))
    differences: list[str] = []

    def add(what: str, counts: dict[str, Counter[str]]) -> None:
        kinds = ("agree", "told apart", "not said", "differ")
        cells = [", ".join(str(counts[trainer][kind]) for kind in kinds) for trainer in PACKAGES]
        lines.append(f"| {what} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)

    samples = list(conversations())
    for name in DATA:
        samples += [sample for sample, _ in zip(curate.read(options.data / name), range(options.rows), strict=False)]
    with tempfile.TemporaryDirectory() as scratch:
        folders = [options.data.parent / "tokenizers" / name for name in MODELS]
        folders.append(demo_tokenizer(Path(scratch, "smollm2")))
        for folder in folders:
            counts, found = compare(folder, samples)
            differences += found
            add(folder.name, counts)
        trl = importlib.util.find_spec("trl")
        assert trl is not None and trl.submodule_search_locations is not None
        templates = Path(trl.submodule_search_locations[0], "chat_templates")
        for twin in sorted(templates.glob("*_training.jinja")):
            stock = twin.with_name(twin.name.replace("_training", ""))
            try:
                folder = with_tokens_of(folders[0], stock.read_text(encoding="utf-8"), Path(scratch, stock.stem))
                counts, found = compare(folder, list(conversations()))
            except CurateError as error:
                print(f"{stock.name}: {error}", file=sys.stderr)
                continue
            differences += found
            add(f"{stock.stem}, as TRL has it", counts)
    print("\n".join(differences))
    if options.write:
        packages = ", ".join(f"{package} {version(package)}" for package, _ in PACKAGES.values())
        head = f"Written by `benchmarks/other_trainers.py` with {packages}, {datetime.date.today():%d %B %Y}."
        text = "\n".join(["# What other trainers would do", "", head, "", LEGEND, "", *lines, ""])
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
