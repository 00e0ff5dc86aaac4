"""One step of a run: when it is stale and why, and making it whole or not at all."""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate import __version__
from curate.errors import CurateError
from curate.io.write import PREFIX, SUFFIX, sweep_strays
from curate.run.folder import Run, file_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Config = dict[str, Any]

ASIDE = ".old-"


@dataclass(frozen=True)
class Step:
    """One step: one command, one folder (or file) of its name, that reads only what the steps before it wrote.

    `reads(run, config)` names the files (or folders) that it reads. `make(run, config, out)` writes what `writes` names
    into the folder `out` and returns the line that says what it did. `command(run, config)` is the command a user would
    type for it. `libraries` are those whose versions belong to the result. `costly` is whether what it made is replaced
    on request only, by whatever command, as it took hours.
    """

    name: str
    reads: Callable[[Run, Config], Sequence[Path]]
    writes: Sequence[str]
    make: Callable[[Run, Config, Path], str]
    command: Callable[[Run, Config], str]
    after: str | None = None
    libraries: Sequence[str] = field(default=())
    costly: bool = False


def why_stale(run: Run, step: Step, config: Config) -> list[str]:
    """The reasons why a step has to be made (again), in words; none where what is there is what would be made."""
    record = run.record(step.name)
    if record is None:
        return ["it was not made yet"]
    reasons = [
        f"{key} is now {config.get(key)!r}, was {record['config'].get(key)!r}"
        for key in sorted(config.keys() | record["config"].keys())
        if not key.startswith("_")  # says where a setting came from, and changes nothing
        and config.get(key) != record["config"].get(key)
    ]
    now = {name_of(run, path): path for path in step.reads(run, config)}
    for name in sorted(now.keys() | record["reads"].keys()):
        was = record["reads"].get(name)
        if name not in now:
            reasons.append(f"{name} is read no more")
        elif was is None:
            reasons.append(f"{name} is new")
        elif file_hash(now[name]) != was:
            reasons.append(f"{name} {'changed' if now[name].exists() else 'is missing'}")
    for name, was in record["writes"].items():
        if (now_is := file_hash(run / name)) != was:
            reasons.append(f"{name} {'was edited since' if now_is else 'is missing'}")
    return reasons


def make(run: Run, step: Step, config: Config, *, force: bool = False, seed: int | None = None) -> str:
    """Make a step: its outputs appear whole, then its record in the manifest; a crash leaves what was there before.

    Raises:
        CurateError: an output was edited since it was made (`force` replaces it), or what the step itself refuses.
    """
    recover(run)
    refuse_edited(run, step, force)
    refuse_costly(run, step, config, force)
    try:
        return _make(run, step, config, seed)
    except BaseException:
        recover(run)  # nothing of it stays, not even where the disk was full when the manifest was to be written
        raise


def _make(run: Run, step: Step, config: Config, seed: int | None) -> str:
    started = time.perf_counter()
    reads = {name_of(run, path): file_hash(path) for path in step.reads(run, config)}
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", suffix=SUFFIX, dir=run.folder) as folder:
        said = step.make(run, config, Path(folder))
        writes = {name: Path(folder, name) for name in step.writes}
        hashes = _file_hashes(Path(folder), writes.values())
        for made in writes.values():
            _sync(made)
        with run.alone():
            for name, made in writes.items():
                _replace(run / name, made)
            _sync(run.folder, whole=False)
            manifest = run.manifest()
            manifest["steps"][step.name] = {
                "command": step.command(run, config),
                "said": said,
                "config": config,
                "seed": seed,
                "reads": reads,
                "writes": hashes,
                "versions": _versions(step.libraries),
                "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "seconds": round(time.perf_counter() - started, 3),
            }
            run.save(manifest)
            for name in writes:
                _remove(_aside(run / name))
    return said


def ensure(run: Run, steps: Sequence[tuple[Step, Config]], say: Callable[[str], None]) -> None:
    """Make the steps that are missing or stale, in order, saying why, and each as the command a user would type; of a
    step that is up to date nothing is said."""
    for step, config in steps:
        if reasons := why_stale(run, step, config):
            say(f"{step.name}: {'; '.join(reasons)}")
            say(f"$ {step.command(run, config)}")
            say(make(run, step, config))


def refuse_edited(run: Run, step: Step, force: bool) -> None:
    """Refuse to replace outputs that are not as the step wrote them.

    Raises:
        CurateError: an output differs from its hash in the manifest, and `force` is not given.
    """
    record = run.record(step.name)
    if force or record is None:
        return
    for name, was in record["writes"].items():
        file = run / name
        if file.exists() and file_hash(file) != was:
            raise CurateError(
                f"{file}: was edited since `curate {step.name}` wrote it; "
                f"keep a copy, then replace it: {record['command']} --force"
            )


def refuse_costly(run: Run, step: Step, config: Config, force: bool) -> None:
    """Refuse to replace what a costly step made, which no other command does on its own either.

    Raises:
        CurateError: it would be replaced, and `force` is not given.
    """
    record = run.record(step.name)
    if not step.costly or force or record is None or not any((run / name).exists() for name in step.writes):
        return
    raise CurateError(
        f"{run / step.writes[0]}: would be replaced ({'; '.join(why_stale(run, step, config)) or 'it is up to date'}); "
        f"do so with: {step.command(run, config)} --force"
    )


def recover(run: Run) -> None:
    """Put right what a killed process left: outputs that are not the manifest's give way to what they replaced."""
    with run.alone():
        _recover(run)


def _recover(run: Run) -> None:
    manifest = run.manifest()
    recorded = {name: was for record in manifest["steps"].values() for name, was in record["writes"].items()}
    for aside in run.folder.glob(f"{ASIDE}*"):
        target = run / aside.name.removeprefix(ASIDE)
        mine = {name: was for name, was in recorded.items() if (run / name).is_relative_to(target)}
        if mine and all(file_hash(run / name) == was for name, was in mine.items()):
            _remove(aside)
        else:
            _remove(target)
            aside.rename(target)
    sweep_strays(run.folder)


def _replace(target: Path, made: Path) -> None:
    """Put `made` in the place of `target`, which is kept aside until the manifest says that it is replaced."""
    if target.exists():
        target.rename(_aside(target))
    made.rename(target)


def _aside(target: Path) -> Path:
    return target.with_name(f"{ASIDE}{target.name}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path, *, whole: bool = True) -> None:
    """Have the disk hold a file, or a folder (`whole`: and all that is in it), before a name is given to it."""
    for inner in [*path.rglob("*"), path] if whole else [path]:
        descriptor = os.open(inner, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _file_hashes(root: Path, made: Any) -> dict[str, str]:
    files = (
        file for path in made for file in ([path] if path.is_file() else sorted(path.rglob("*"))) if file.is_file()
    )
    return {str(file.relative_to(root)): file_hash(file) for file in files}


def flag_words(name: str, value: Any) -> list[str]:
    """A setting as words of a command: a switch for a bool, and a list as its flag with each value."""
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    return [word for one in (value if isinstance(value, list) else [value]) for word in (flag, str(one))]


def name_of(run: Run, path: Path) -> str:
    """How the manifest names a file: relative to the run folder, or to where the run was made, or in full."""
    for root in (run.folder, Path(run.manifest()["directory"])):
        if path.is_relative_to(root):
            return str(path.relative_to(root))
    return str(path)


def _versions(libraries: Sequence[str]) -> Mapping[str, str]:
    found = {"curate": __version__, "python": platform.python_version()}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
