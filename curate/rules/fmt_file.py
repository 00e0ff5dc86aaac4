"""FMT001 to FMT039: the file and its bytes. The readers notice these faults; here they are named and explained."""

from __future__ import annotations

from curate.finding import Fix
from curate.rules.rule import reading_rule

UNREADABLE = Fix("drop", safe=True)


@reading_rule("FMT001", severity="error", fix=UNREADABLE)
def invalid_json() -> None:
    """A row is not JSON.

    Why it matters: most loaders refuse the whole file for one such row, some skip it in silence, and a few guess what
    was meant and train on something else. What counts as JSON here is RFC 8259, as for strict parsers.

    Example: `{"question": "2 + 2?", "answer": "4",}` has a trailing comma; `{'question': 'Hi'}` is a Python dict that
    was printed; `{"text": "He said "no"."}` has quotes inside the text that were not escaped.

    How to fix it: write rows with a JSON library (`json.dumps(row, ensure_ascii=False)`), never by joining strings. The
    message says what stands at which byte. The fix drops such rows.
    """


@reading_rule("FMT002", severity="error", fix=UNREADABLE)
def truncated_row() -> None:
    """A row ends before its JSON does.

    Why it matters: the row was cut, by a full disk, a killed process or a download that stopped, so more rows may be
    missing after it. It cannot be read, and its answer would end in mid-sentence.

    Example: the last line is `{"question": "What is the capital of Fra`.

    How to fix it: fetch or write the file again and compare its size. If the rest is known to be whole, drop the row.
    """


@reading_rule("FMT003", severity="error", fix=UNREADABLE)
def invalid_utf8() -> None:
    """A row has bytes that are not UTF-8.

    Why it matters: one such byte stops most readers; one widely used pipeline drops every row after it with no
    more than a line in a log. Usually the text was saved as Latin-1 or Windows-1252.

    Example: `caf` followed by the single byte E9 where UTF-8 writes C3 A9.

    How to fix it: convert the file (`iconv -f WINDOWS-1252 -t UTF-8 old.jsonl > new.jsonl`) where all of it has that
    encoding, else mend the row at its source.
    """


@reading_rule("FMT004", severity="warning")
def byte_order_mark() -> None:
    """The file, or a row inside it, starts with a UTF-8 byte-order mark.

    Why it matters: JSON must not have one (RFC 8259). `json.loads`, pandas and others refuse the first row, or name the
    first column `\\ufeffquestion`. A mark in the middle tells that files were joined with `cat`.

    Example: the bytes EF BB BF before the first `{`; editors and PowerShell on Windows write them.

    How to fix it: save as "UTF-8 without BOM"; in Python read once with `encoding="utf-8-sig"` and write it again.
    """


@reading_rule("FMT005", severity="warning")
def not_utf8_file() -> None:
    """The file is UTF-16 or UTF-32.

    Why it matters: it was read here, but nearly every other tool, trainers included, takes it for garbage.

    Example: a file that Excel saved as "Unicode text", or that `>` of Windows PowerShell wrote.

    How to fix it: `iconv -f UTF-16 -t UTF-8 old.jsonl > new.jsonl`.
    """


@reading_rule("FMT006", severity="error", fix=UNREADABLE)
def non_finite_number() -> None:
    """A row holds NaN, Infinity or a number too large to be one.

    Why it matters: JSON has no such numbers. Python writes them in silence and other readers refuse the file, or turn
    them into null or infinity.

    Example: `{"answer": "yes", "score": NaN}`, as pandas gives it for an empty cell; `1e999`.

    How to fix it: write `null`, or leave the key out; `json.dumps(row, allow_nan=False)` shows where they come from.
    """


@reading_rule("FMT007", severity="error", fix=UNREADABLE)
def lone_surrogate() -> None:
    """A string holds half of a surrogate pair.

    Why it matters: `\\ud83d` without its other half is no character. It cannot be written as UTF-8, so a tokenizer or a
    writer fails on it later, far from its cause; some readers drop it or put NUL in its place.

    Example: `{"text": "well done \\ud83d"}`: an emoji that was cut in two when a text was shortened by UTF-16 units.

    How to fix it: shorten texts by characters, not by UTF-16 units or bytes; mend or remove the half.
    """


@reading_rule("FMT008", severity="warning")
def duplicate_key() -> None:
    """An object has the same key twice, or a table two columns of one name.

    Why it matters: readers do not agree. Most keep the last value in silence, some the first, some refuse the file, so
    what is trained may not be what was seen.

    Example: `{"prompt": "Hi", "answer": "Hello", "answer": "Go away"}`: nearly all read "Go away".

    How to fix it: keep the value that is meant, remove the other. Here the last one was read.
    """


@reading_rule("FMT009", severity="warning")
def integer_beyond_64_bits() -> None:
    """A row holds an integer that needs more than 64 bits.

    Why it matters: many readers turn it into a float and so change its digits. It was kept exactly here.

    Example: `{"id": 123456789012345678901234567890}` comes back as 1.2345678901234568e29.

    How to fix it: write long identifiers as strings.
    """


@reading_rule("FMT010", severity="error", fix=UNREADABLE)
def nested_too_deep() -> None:
    """A row is nested deeper than 100 levels.

    Why it matters: no training data looks so. A few kilobytes of nested brackets crash, or stall for minutes, readers
    in common use.

    Example: a line of 100,000 `[`.

    How to fix it: drop the row; look where it came from.
    """


@reading_rule("FMT011", severity="error", fix=UNREADABLE)
def line_too_long() -> None:
    """A row is longer than 64 MB.

    Why it matters: it is not one training example. The line ends were lost, or something else was stored in it; a
    reader that takes it whole needs many times its size in memory.

    Example: a 500 MB file without a single line end, or a row that carries a base64 video.

    How to fix it: write one row a line; store media beside the data.
    """


@reading_rule("FMT012", severity="warning")
def several_values_on_a_line() -> None:
    """Several JSON objects stand on one line.

    Why it matters: a reader that goes line by line refuses the line, and others count rows differently. All of them
    were read here, as parts 0, 1, ... of the line.

    Example: `{"q": "1 + 1?", "a": "2"}{"q": "2 + 2?", "a": "4"}`: two writers without a line end between them.

    How to fix it: one row a line; `jq -c . old.jsonl > new.jsonl` splits them.
    """


@reading_rule("FMT013", severity="warning")
def json_array_in_jsonl() -> None:
    """A .jsonl file is one JSON array.

    Why it matters: line readers fail on it, or take `[` and each `{...},` for broken rows. It was read here.

    Example: `[`, then `{"q": "..."},` and so on in a file named data.jsonl.

    How to fix it: rename it to .json, or `jq -c '.[]' old.jsonl > new.jsonl`.
    """


@reading_rule("FMT014", severity="info")
def pretty_printed() -> None:
    """Rows are pretty-printed over several lines.

    Why it matters: it was read here, but JSON Lines wants one row a line, and line readers refuse it.

    Example: a row written with `json.dumps(row, indent=2)`.

    How to fix it: `jq -c . old.json > new.jsonl`.
    """


@reading_rule("FMT015", severity="info")
def blank_lines() -> None:
    """The file has blank lines.

    Why it matters: they are no rows and were passed over, but some readers stop at the first, and line numbers of tools
    that skip them differ.

    Example: an empty line between two rows.

    How to fix it: `grep -v '^[[:space:]]*$' old.jsonl > new.jsonl`.
    """


@reading_rule("FMT016", severity="info")
def crlf_line_ends() -> None:
    """Lines end in CR LF.

    Why it matters: harmless to JSON, but tools that compare or join lines byte by byte see another file, and a mixture
    shows that parts came from different systems.

    Example: a file that was written in text mode on Windows.

    How to fix it: `dos2unix data.jsonl`; in Python open with `newline="\\n"`.
    """


@reading_rule("FMT017", severity="error", fix=UNREADABLE)
def nul_byte() -> None:
    """A row holds raw NUL bytes.

    Why it matters: JSON forbids them and C-based tools end the text there. A run of them usually is the hole that a
    crash or a full disk left, so rows may be missing.

    Example: the file ends in 4,096 NUL bytes.

    How to fix it: fetch or write the file again; if the rest is whole, drop the row.
    """


@reading_rule("FMT018", severity="error", fix=UNREADABLE)
def row_not_an_object() -> None:
    """A row is JSON but not an object.

    Why it matters: a row without column names cannot be understood, and typed readers refuse the file. A bare list of
    chat messages is the one exception and is read.

    Example: the line `"What is the capital of France?"`, or `42`, or `null`.

    How to fix it: name the columns: `{"prompt": "What is the capital of France?"}`.
    """


@reading_rule("FMT019", severity="error")
def empty_file() -> None:
    """The file holds no rows.

    Why it matters: it adds nothing, and often tells that the step that should have written it failed.

    Example: a file of 0 bytes, `[]`, only blank lines, or a CSV header without records.

    How to fix it: write the file again, or leave it out.
    """


@reading_rule("FMT020", severity="error")
def corrupt_compression() -> None:
    """The compressed file is damaged or cut.

    Why it matters: the rows before the damage were read, those after it are missing.

    Example: a .gz file of which the download stopped half-way.

    How to fix it: fetch the file again and compare its checksum.
    """


@reading_rule("FMT021", severity="error")
def changed_while_reading() -> None:
    """The file changed while it was read.

    Why it matters: the report mixes two versions, and the last row may have been half written.

    Example: a script still appends rows to the file.

    How to fix it: wait until it is finished, then check again.
    """


@reading_rule("FMT022", severity="error")
def uneven_csv_row() -> None:
    """A CSV record has more or fewer cells than the header.

    Why it matters: a comma or a quote was not escaped, so a text was cut and the cells after it are in wrong columns.

    Example: `What is 2, 3 and 4?,numbers` under the header `question,answer` has three cells.

    How to fix it: put the text in double quotes, or write the table with a CSV library.
    """


@reading_rule("FMT023", severity="error", fix=UNREADABLE)
def broken_csv_quotes() -> None:
    """The quotes of a CSV record do not add up.

    Why it matters: a quote that is never closed makes one cell of everything up to the next quote, so whole rows vanish
    inside a text; most readers do just that in silence.

    Example: `"He said "no" to me",refused`: quotes inside a quoted cell must be doubled, `""no""`.

    How to fix it: double the quotes inside, or write the table with a CSV library.
    """


@reading_rule("FMT024", severity="error")
def damaged_parquet() -> None:
    """The Parquet file is damaged or cut.

    Why it matters: Parquet keeps its table of contents at the end; without it nothing, or only a part, can be read.

    Example: a download that stopped half-way: the last four bytes are not `PAR1`.

    How to fix it: fetch or write the file again.
    """
