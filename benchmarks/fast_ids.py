"""Compare the ids of the fast engines with those of `tokenizers`, and their speed with it.

    python benchmarks/fast_ids.py [--data DIR] [--rows N] [--odd N] [--characters] [--write]

Every row of four data sets is rendered by the chat templates of the tokenizers beside DIR and of the demo model, and
encoded by each engine. `odd` are random texts of all scripts, control characters, cut control tokens and very long
words; `characters` is every code point in five surroundings. Seconds are of this process's CPU, all its threads, with
the ids as lists; a ratio is the time of `tokenizers` (encode_batch_fast) over the engine's. tokie is compared if it is
installed, but for `characters`. `--write` puts the tables into fast_ids.md. Exit codes: 0 the ids of fastokens are the
same everywhere, 1 they are not, 2 data are missing.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, files, version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import curate
from curate.demo_model import demo_tokenizer
from curate.template.form import AS_IT_IS, Form, to_messages
from curate.template.load import ChatTokenizer, load
from curate.template.render import ChatTemplate, TemplateRefuses

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))

from near_duplicates import machine  # noqa: E402

from tests.template.texts import adversarial  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

SHARED = ROOT.parent / "shared" / "data"
DATA = ("t0_prompt_completion.jsonl", "gsm8k_train.jsonl", "alpaca_en_demo.json", "glaive_toolcall_en_demo.json")
MODELS = ("qwen3", "llama3_1", "deepseek_v3", "gemma3")
SURROUNDINGS = ("{}", "a{}b", " {0}{0}", "1{}2", "{}\n {}'s")
BATCH = 50_000
CHOICE = """\
Other ids: texts to which the engine gives other ids than `tokenizers`. curate uses fastokens: it gave none on any
text, needs little more time for texts that were made to be slow, and refuses the tokenizers that it cannot read. tokie
loads faster, and is about as fast but for Gemma 3, but gives other ids on real rows, and one very long word can take it
a minute."""
CLOCK = datetime.date(2026, 1, 1)


def rendered(chat: ChatTokenizer, file: Path, rows: int | None) -> list[str]:
    """The rows of a file as the model's template writes them; where it refuses a row, its texts."""
    template = ChatTemplate(chat, {}, CLOCK)
    texts = []
    for number, sample in enumerate(curate.read(file)):
        if rows is not None and number >= rows:
            break
        for form in (AS_IT_IS, Form(arguments="string")):
            try:
                texts.append(template.render(to_messages(sample, form), sample.tools or None))
                break
            except TemplateRefuses:
                continue
        else:
            texts.append("\n".join(message.text for message in sample.messages))
    return texts


def characters() -> Iterator[str]:
    for surrounding in SURROUNDINGS:
        for point in range(sys.maxunicode + 1):
            if not 0xD800 <= point < 0xE000:
                yield surrounding.replace("{0}", "{}").replace("{}", chr(point))


class Engines:
    """The engines that are compared, loaded for one tokenizer: texts to ids, by name; and the seconds each took."""

    def __init__(self, chat: ChatTokenizer) -> None:
        self.loading: dict[str, float] = {}
        self.encode: dict[str, Callable[[Sequence[str]], list[list[int]]]] = {}
        source = chat.tokenizer.to_str()
        self.encode["tokenizers"] = lambda texts: [
            encoding.ids for encoding in chat.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ]
        import fastokens

        fast = self._timed("fastokens", lambda: fastokens.Tokenizer.from_json_str(source))
        self.encode["fastokens"] = lambda texts: [fast.encode(text).ids for text in texts]
        if find_spec("tokie") is None:
            return
        import tokie

        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            file.write(source)
            file.flush()
            other = self._timed("tokie", lambda: tokie.Tokenizer.from_json(file.name))
        self.encode["tokie"] = lambda texts: [
            encoding.ids for encoding in other.encode_batch(list(texts), add_special_tokens=False)
        ]

    def _timed(self, name: str, make: Callable[[], Any]) -> Any:
        started = time.process_time()
        made = make()
        self.loading[name] = time.process_time() - started
        return made


def compare(
    engines: Engines, texts: Iterable[str], names: Sequence[str]
) -> tuple[int, dict[str, int], dict[str, float]]:
    """The number of texts, and by engine how many have other ids and the CPU seconds."""
    number, other, seconds = 0, dict.fromkeys(names, 0), dict.fromkeys(names, 0.0)
    remaining = iter(texts)
    while batch := list(islice(remaining, BATCH)):
        number += len(batch)
        expected: list[list[int]] = []
        for name in names:
            started = time.process_time()
            ids = engines.encode[name](batch)
            seconds[name] += time.process_time() - started
            expected = expected or ids
            other[name] += sum(mine != theirs for mine, theirs in zip(ids, expected, strict=True))
    return number, other, seconds


def megabytes(package: str) -> str:
    try:
        return f"{sum(file.locate().stat().st_size for file in files(package) or ()) / 1e6:.0f} MB"
    except PackageNotFoundError:
        return "-"


def tables(data: Path, rows: int | None, odd: int, every_character: bool) -> tuple[list[str], int]:
    """The report's lines, and how often fastokens gave other ids."""
    lines: list[str] = []
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: data.parent / "tokenizers" / name for name in MODELS}
        folders["smollm2"] = demo_tokenizer(Path(scratch) / "smollm2")
        for name, folder in folders.items():
            chat = load(folder)
            engines = Engines(chat)
            others = [engine for engine in engines.encode if engine != "tokenizers"]
            loading = ", ".join(f"{engine} {engines.loading[engine]:.1f} s" for engine in others)
            lines += ["", f"## {name}", "", f"CPU seconds to load: {loading}.", ""]
            heads = [f"{engine}: other ids, CPU s, ratio" for engine in others]
            lines.append(f"| texts | number | tokenizers, CPU s | {' | '.join(heads)} |")
            lines.append("|---|---|---|" + "---|" * len(others))
            added = [token.content for token in chat.tokenizer.get_added_tokens_decoder().values()]
            sets: dict[str, Iterable[str]] = {file: rendered(chat, data / file, rows) for file in DATA}
            sets["odd"] = adversarial(added, odd, seed=1)
            if every_character:
                sets["characters"] = characters()
            for what, texts in sets.items():
                names = ["tokenizers", *(e for e in others if what != "characters" or e == "fastokens")]
                number, other, seconds = compare(engines, texts, names)
                wrong += other["fastokens"]
                base = seconds["tokenizers"]
                cells = [
                    f"{other[e]:,}, {seconds[e]:.2f}, {base / seconds[e]:.0f}" if e in other else "-" for e in others
                ]
                lines.append(f"| {what} | {number:,} | {base:.2f} | {' | '.join(cells)} |")
                print(lines[-1], flush=True)
    return lines, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--rows", type=int, help="only the first N rows of each file")
    parser.add_argument("--odd", type=int, default=20_000)
    parser.add_argument("--characters", action="store_true", help="every code point too: minutes for each")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if missing := [name for name in DATA if not (options.data / name).is_file()]:
        print(f"missing in {options.data}: {', '.join(missing)}", file=sys.stderr)
        return 2
    lines, wrong = tables(options.data, options.rows, options.odd, options.characters)
    packages = [name for name in ("tokenizers", "fastokens", "tokie") if find_spec(name)]
    sizes = ", ".join(f"{name} {version(name)} ({megabytes(name)} installed)" for name in packages)
    written = f"Written by `benchmarks/fast_ids.py`. {machine()}; {sizes}."
    text = "\n".join(["# Token ids", "", written, "", CHOICE, *lines, ""])
    if options.write:
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
