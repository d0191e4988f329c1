"""The directory of a sweep.

    manifest.json        what is swept, by which versions, how far it is, and what became of the candidates
    parts/000012.csv     the feasible candidates of chunk 12 that no chunk before it has
    parts/000012.done    their fingerprints, the chunk's tally, the checksums of the files beside it
    candidates.csv       all of them, once the stream is finished; the parts are gone then

(also `.parquet`.) Every file is written under a temporary name and then renamed. The `.done` comes last: its checksum,
a line of JSON, and the fingerprints as bytes. A chunk counts as finished when that is there and the others are as it
says. Chunks are finished in order. Of a sweep that fails before its first chunk is finished nothing is left.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from oracle._files import MISSHAPEN, misshape
from oracle.errors import MissingDependencyError, OracleError
from oracle.families.fingerprint import Fingerprints

from ..space import Miss, Tally
from .columns import pyarrow
from .files import TEMPORARY, locked, write_whole, written

MANIFEST = "manifest.json"
CANDIDATES = "candidates"
_PARTS = "parts"
_DONE = "done"
_LOCK = ".lock"
_DIGITS = 6
_RESUMABLE = "chunks finished so far are kept, and the sweep can be resumed (--resume, resume=True)"
_WORD = np.dtype("<u8")  # of a fingerprint
_COPIED = 1 << 20


class Finished(NamedTuple):
    """What a finished chunk left."""

    prints: Fingerprints
    tally: Tally


@dataclass(frozen=True, slots=True)
class Sums:
    """What the chunks finished so far amount to.

    Attributes:
        counts: candidates of each.
        tally: of all.
    """

    counts: tuple[int, ...] = ()
    tally: Tally = field(default_factory=Tally)

    @property
    def found(self) -> int:
        """Candidates in all."""
        return sum(self.counts)

    def plus(self, done: Finished) -> Sums:
        """One chunk more."""
        return Sums((*self.counts, done.prints.shape[1]), self.tally + done.tally)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the manifest."""
        return {"candidates": self.found, "counts": list(self.counts), "tally": asdict(self.tally)}

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Sums:
        """From such data."""
        return cls(tuple(map(int, content["counts"])), _tally(content["tally"]))


class Folder:
    """A directory that holds one sweep."""

    def __init__(self, path: Path, formats: tuple[str, ...]) -> None:
        self.path = path
        self.formats = formats
        self.parts = path / _PARTS

    def result(self, suffix: str) -> Path:
        """The file with all candidates."""
        return self.path / f"{CANDIDATES}.{suffix}"

    def manifest(self) -> dict[str, Any] | None:
        """What the manifest says; None in a directory without sweep.

        Raises:
            OracleError: a manifest that is none, or a directory with other things in it.
        """
        file = self.path / MANIFEST
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            dict(found["identity"]), found["complete"], Sums.read(found)
        except FileNotFoundError:
            self._refuse_strangers()
            return None
        except NotADirectoryError:
            raise OracleError(f"out={str(self.path)!r} is a file; expected a directory") from None
        except (OSError, *MISSHAPEN) as error:
            why = misshape(error) if isinstance(error, MISSHAPEN) else error.strerror
            raise OracleError(f"{file}: not the manifest of a sweep: {why}; choose another directory") from None
        return dict(found)

    def sizes(self) -> dict[str, int]:
        """Bytes of the files with all candidates, of those that are there."""
        files = {suffix: self.result(suffix) for suffix in self.formats}
        return {suffix: file.stat().st_size for suffix, file in files.items() if file.is_file()}

    def whole(self, manifest: Mapping[str, Any]) -> bool:
        """Whether the files with all candidates are there, as large as a manifest says."""
        found = self.sizes()
        return len(found) == len(self.formats) and manifest.get("sizes", found) == found

    def _refuse_strangers(self) -> None:
        if not self.path.exists():
            return
        try:
            names = {entry.name for entry in self.path.iterdir()} - {_LOCK, MANIFEST + TEMPORARY}
            if self.parts.is_dir() and not any(self.parts.iterdir()):
                names -= {_PARTS}  # of a sweep that ended before its first manifest
        except OSError as error:
            raise OracleError(f"out={str(self.path)!r}: {error.strerror or error}") from None
        if names:
            shown = ", ".join(sorted(names)[:3])
            raise OracleError(f"out={str(self.path)!r} is not empty ({shown}) and holds no sweep; choose another")

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The directories, made and locked; if the work fails before a first chunk is finished, they are as before.

        Raises:
            OracleError: the system refuses; another process is sweeping here; what the work raises, which then also
                says that the sweep can be resumed, if it can.
        """
        missing = [place for place in (self.path, *self.path.parents) if not place.exists()]
        self._create()
        with locked(self.path / _LOCK):
            new = not (self.path / MANIFEST).exists()
            try:
                yield
            except BaseException as error:
                if new and next(self.finished(), None) is None:
                    self._remove(missing)
                elif isinstance(error, OracleError) and not isinstance(error, MissingDependencyError):
                    error.args = (f"{error}; {_RESUMABLE}",)
                raise

    def _remove(self, places: Sequence[Path]) -> None:
        """What a sweep made that finished nothing, and these directories, innermost first, if nothing else is there."""
        self.remove_parts()
        with suppress(OSError):
            for file in (MANIFEST, _LOCK):
                (self.path / file).unlink(missing_ok=True)
            for place in places:
                place.rmdir()

    def _create(self) -> None:
        try:
            self.parts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OracleError(f"out={str(self.path)!r} cannot be created: {error.strerror or error}") from None

    def write_manifest(self, content: Mapping[str, Any]) -> None:
        """Replace the manifest."""
        text = json.dumps(content, indent=2) + "\n"
        write_whole(self.path / MANIFEST, text.encode())

    def _part(self, index: int, suffix: str) -> Path:
        return self.parts / f"{index:0{_DIGITS}}.{suffix}"

    def commit(self, index: int, contents: Mapping[str, bytes], finished: Finished) -> None:
        """Write the parts of a chunk, then what makes it count.

        Args:
            index: of the chunk.
            contents: suffix -> content.
            finished: what is to be known of it when the sweep goes on.
        """
        for suffix, content in contents.items():
            write_whole(self._part(index, suffix), content)
        checksums = {suffix: zlib.crc32(content) for suffix, content in contents.items()}
        note = json.dumps({"checksums": checksums, "tally": asdict(finished.tally)}).encode()
        body = note + b"\n" + finished.prints.astype(_WORD).tobytes()
        write_whole(self._part(index, _DONE), b"%08x " % zlib.crc32(body) + body)

    def finished(self) -> Iterator[Finished]:
        """Chunk by chunk what is there, up to the first that is missing or damaged."""
        index = 0
        while (found := self._read(index)) is not None:
            yield found
            index += 1

    def _read(self, index: int) -> Finished | None:
        try:
            checksum, body = self._part(index, _DONE).read_bytes().split(b" ", 1)
            if int(checksum, 16) != zlib.crc32(body):
                return None
            text, prints = body.split(b"\n", 1)
            note = json.loads(text)
            if note["checksums"] != {name: zlib.crc32(self._part(index, name).read_bytes()) for name in self.formats}:
                return None
            return Finished(np.frombuffer(prints, _WORD).astype(np.uint64).reshape(2, -1), _tally(note["tally"]))
        except (OSError, *MISSHAPEN):
            return None

    def discard(self, after: int) -> None:
        """Remove the parts from a chunk on, and all that is unfinished: what a kill left behind."""
        for path in self.parts.iterdir():
            if path.suffix == TEMPORARY or not path.stem.isdigit() or int(path.stem) >= after:
                path.unlink()
        for path in self.path.glob(f"*{TEMPORARY}"):
            path.unlink()

    def merge(self, chunks: int) -> None:
        """Make one file of the parts, per format."""
        for suffix in self.formats:
            files = [self._part(index, suffix) for index in range(chunks)]
            with written(self.result(suffix)) as stream:
                _MERGERS[suffix](files, stream)

    def remove_parts(self) -> None:
        """Once they are merged and the manifest says so."""
        shutil.rmtree(self.parts, ignore_errors=True)


def _tally(content: Mapping[str, Any]) -> Tally:
    misses = {name: {key: Miss(**miss) for key, miss in content[name].items()} for name in ("nearest", "closest")}
    return Tally(**{**content, **misses})


def _merge_csv(files: list[Path], stream: Any) -> None:
    for position, file in enumerate(files):
        with file.open("rb") as part:
            if position:
                part.readline()  # the header
            shutil.copyfileobj(part, stream, _COPIED)


def _merge_parquet(files: list[Path], stream: Any) -> None:
    parquet = pyarrow().parquet
    schema = parquet.read_schema(files[0])
    with parquet.ParquetWriter(stream, schema, compression="zstd", write_page_checksum=True) as writer:
        for file in files:
            writer.write_table(parquet.read_table(file))


_MERGERS = {"csv": _merge_csv, "parquet": _merge_parquet}
