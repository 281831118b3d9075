"""The user's configuration: how cells are computed on this machine; it never changes a result."""

from __future__ import annotations

import difflib
import importlib.util
import os
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from dfdbench.errors import MissingError, SpecError

VARIABLE = "DFDBENCH_CONFIG"

Jobs = Annotated[int, Field(ge=1)]
Use = Literal["local", "ray", "slurm"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LocalOptions(_Section):
    """Processes of this machine."""

    jobs: Jobs = Field(1, description="cells at once; 1: in the process of the command itself")
    threads: Jobs | None = Field(None, description="of each process; default: its share of cores")
    cell_limit: float | None = Field(
        None, gt=0, description="seconds that a cell may take; it then runs in a process of its own"
    )


class RayOptions(_Section):
    """A Ray cluster."""

    jobs: Jobs | None = Field(None, description="cells at once; default: what the cluster can take")
    address: str | None = Field(None, description="of a running cluster; default: one of its own")
    cpus_per_cell: float = Field(1, gt=0)
    gpus_per_cell: float = Field(0, ge=0)
    max_retries: int = Field(3, ge=0, description="of a cell whose process or node was killed")
    memory_mb: int = Field(500, ge=80, description="object store of a cluster of its own")
    shared_store: bool = Field(True, description="whether the workers see the store's folder")
    worker_store: Path | None = Field(
        None, description="where workers keep cells that do not; default: their temporary folder"
    )
    faces_store: Path | None = Field(
        None, description="store with the faces, as such workers see it"
    )


class SlurmOptions(_Section):
    """Jobs of Slurm, or of submitit's own local imitation of it."""

    jobs: Jobs = Field(100, description="cells in the queue at once")
    cluster: Literal["slurm", "local"] = "slurm"
    partition: str | None = None
    minutes: int = Field(240, ge=1, description="time limit of a job; a longer cell is resumed")
    cpus: int = Field(4, ge=1)
    gpus: int = Field(0, ge=0)
    memory_gb: float | None = Field(None, gt=0)
    extra: dict[str, Any] = Field({}, description="more options of sbatch, such as account")
    max_retries: int = Field(3, ge=0, description="of a job that was killed or ran out of time")
    logs: Path | None = Field(None, description="folder of the logs; default: jobs/ in the store")
    poll: float = Field(2, gt=0, description="seconds between two looks at the queue")


class ExecutorOptions(_Section):
    """Which executor, and the options of each."""

    use: Use = "local"
    local: LocalOptions = LocalOptions()
    ray: RayOptions = RayOptions()
    slurm: SlurmOptions = SlurmOptions()

    def with_command(
        self, use: str | None, jobs: int | None, cell_limit: float | None = None
    ) -> ExecutorOptions:
        """The same with what the command line says, which wins.

        Raises:
            SpecError: there is no such executor, or it has no limit for a cell.
        """
        name = self.use if use is None else use
        if name not in get_args(Use):
            hint = _closest(name, list(get_args(Use)))
            raise SpecError(f"--executor {name}: there is no such executor; {hint}")
        changes: dict[str, Any] = {"use": name}
        if jobs is not None:
            changes[name] = getattr(self, name).model_copy(update={"jobs": jobs})
        if cell_limit is not None:
            if cell_limit <= 0:
                raise SpecError(f"--cell-limit {cell_limit:g}: it is a number of seconds above 0")
            if name != "local":
                own = "; its own is executor.slurm.minutes" if name == "slurm" else ""
                raise SpecError(f"--cell-limit: the executor {name} does not know it{own}")
            before = changes.get(name, self.local)
            changes[name] = before.model_copy(update={"cell_limit": cell_limit})
        return self.model_copy(update=changes)

    def require(self) -> None:
        """See that the executor's library is installed, without the time that importing it takes.

        Raises:
            MissingError: it is not.
        """
        library = {"ray": "ray", "slurm": "submitit"}.get(self.use)
        if library is not None and importlib.util.find_spec(library) is None:
            raise MissingError(
                f"the executor {self.use} needs {library}, which is not installed: "
                f"pip install 'dfdbench[{self.use}]'"
            )


class Config(_Section):
    """The whole file."""

    executor: ExecutorOptions = ExecutorOptions()


def path() -> Path:
    """``DFDBENCH_CONFIG``, else ``dfdbench/config.yaml`` in the user's folder of configurations."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "dfdbench" / "config.yaml"


def load() -> Config:
    """Read and validate the configuration; all defaults where there is no file.

    Raises:
        SpecError: every problem with its place, one a line.
    """
    file = path()
    try:
        raw = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if os.environ.get(VARIABLE):
            raise SpecError(f"no file {file}, which {VARIABLE} names; write it or unset") from None
        return Config()
    except OSError as error:
        raise SpecError(f"{file} cannot be read: {error.strerror}") from error
    except (MarkedYAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{file}: not YAML 1.2: {' '.join(str(error).split())}") from error
    if raw is None:
        return Config()
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise SpecError(*(f"{file}: {_line(item)}" for item in error.errors())) from None


def _line(item: Any) -> str:
    """One problem as ``place: what is wrong``."""
    place = [str(part) for part in item["loc"]]
    text = item["msg"]
    if item["type"] == "extra_forbidden":
        section: Any = Config
        for part in place[:-1]:
            section = section.model_fields[part].annotation
        text = f"unknown option {place[-1]!r}; {_closest(place[-1], list(section.model_fields))}"
    return f"{'.'.join(place)}: {text}" if place else f"a mapping is needed, not {item['input']!r}"


def _closest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
