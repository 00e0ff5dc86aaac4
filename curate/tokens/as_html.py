"""The page of `curate render`, and what it shares with that of `curate stats`: safe whatever the data hold."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from curate import __version__
from curate.report.as_html import shown, source_hash
from curate.report.phrases import count
from curate.report.safe import safe, safe_path
from curate.tokens.others import SAME, TITLE
from curate.tokens.pieces import Piece, pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from curate.model import Model
    from curate.template.trainers import OtherMask
    from curate.tokens.others import Other
    from curate.tokens.rows import Row

ROWS = 200
"""More rows than this make a page that no browser likes to open."""


def to_html(rows: Iterable[tuple[Row, list[Other]]], left_out: str, model: Model) -> Iterator[str]:
    """The page of some renderings, with what other trainers would do with each; `left_out` says what is not in it."""
    return page(
        "render.html",
        rows=[_row(row, others, model) for row, others in rows],
        left_out=left_out,
        model=model.name,
        engine=model.chat.engine,
        others_title=TITLE,
    )


def page(template: str, **values: Any) -> Iterator[str]:
    """A page of this folder. Its content security policy admits its own style by hash and nothing else."""
    from jinja2 import Environment
    from markupsafe import Markup

    folder = files("curate.tokens")
    style = folder.joinpath("page.css").read_text("utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=shown)
    source = environment.from_string(folder.joinpath(template).read_text("utf-8"))
    return source.generate(style=Markup(style), style_hash=source_hash(style), version=__version__, **values)


class _Text(str):
    """Text of a row, its line breaks kept: everything else that could act is made visible already."""

    __slots__ = ()


def _row(row: Row, others: list[Other], model: Model) -> dict[str, Any]:
    sample, rendering = row
    cut = pieces(rendering, model.chat.tokenizer) if rendering.text else []
    place = f"{safe_path(sample.path)}:{sample.line}" + (f" part {sample.part}" if sample.part else "")
    return {
        "place": place,
        "sample_id": sample.id,
        "verified": rendering.verified,
        "size": f"{count(len(rendering.ids), 'token')}, {rendering.trained:,} of them trained",
        "notes": rendering.notes,
        "pieces": [(_kind(piece, None), _lines(piece.text), _title(piece, row)) for piece in cut],
        "others": [_other(other, cut, row) for other in others],
    }


def _other(other: Other, cut: list[Piece], row: Row) -> dict[str, Any]:
    is_drawn = other.mask.trained is not None and other.said != SAME
    drawn = [(_kind(piece, other.mask), _lines(piece.text), _title(piece, row)) for piece in cut] if is_drawn else []
    return {**other._asdict(), "pieces": drawn}


def _kind(piece: Piece, mask: OtherMask | None) -> str:
    """How a piece is drawn: t trained, w trained wrongly, m left out."""
    if mask is None:
        return "t" if piece.is_trained else ""
    places = range(piece.first, piece.last)
    if any(place in mask.wrong for place in places):
        return "w"
    if any(place in mask.missed for place in places):
        return "m"
    return "t" if piece.is_trained else ""


def _title(piece: Piece, row: Row) -> str:
    ids = ", ".join(map(str, row.rendering.ids[piece.first : piece.last]))
    return f"{piece.first}: {ids}"


def _lines(text: str) -> _Text:
    return _Text("↵\n".join(safe(line) for line in text.split("\n")))
