from pathlib import Path

import pytest

from curate.config import resolve
from curate.errors import CurateError


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    (tmp_path / "curate.toml").write_text('select = ["FMT"]\nignore = ["LEN"]\n')
    settings = resolve({"select": ["TXT"], "ignore": None}, directory=tmp_path)
    assert settings.config.select == ["TXT"]
    assert settings.config.ignore == ["LEN"]
    assert settings.sources["select"] == "flag"
    assert settings.sources["ignore"] == str(tmp_path / "curate.toml")
    assert settings.sources["fail_on"] == "default"


def test_the_nearest_file_wins_and_files_are_never_merged(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "curate.toml").write_text('ignore = ["LEN"]\n')
    (tmp_path / "a" / "pyproject.toml").write_text('[tool.curate]\nfail-on = "warning"\n')
    config = resolve({}, directory=inner).config
    assert config.fail_on == "warning"
    assert config.ignore == []


def test_a_pyproject_without_our_table_is_passed_over(tmp_path: Path) -> None:
    inner = tmp_path / "a"
    inner.mkdir()
    (tmp_path / "curate.toml").write_text('ignore = ["LEN"]\n')
    (inner / "pyproject.toml").write_text("[tool.ruff]\n")
    assert resolve({}, directory=inner).config.ignore == ["LEN"]


def test_paths_in_a_file_are_relative_to_that_file(tmp_path: Path) -> None:
    (tmp_path / "curate.toml").write_text('rules = ["own.py"]\nbaseline = "known.json"\n')
    inner = tmp_path / "a"
    inner.mkdir()
    config = resolve({}, directory=inner).config
    assert config.rules == [str(tmp_path / "own.py")]
    assert config.baseline == str(tmp_path / "known.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("selct = []", ["unknown setting selct", "did you mean select?"]),
        ('fail_on = "fatal"', ["fail_on = 'fatal'"]),
        ("select = 3", ["select = 3"]),
        ("select = [", ["curate.toml"]),
    ],
)
def test_a_bad_file_is_one_line_that_names_file_key_and_remedy(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "curate.toml").write_text(text)
    with pytest.raises(CurateError) as caught:
        resolve({}, directory=tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(tmp_path / "curate.toml") in message
    assert all(word in message for word in words)


def test_a_missing_config_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="no such configuration file"):
        resolve({}, str(tmp_path / "none.toml"))
