"""A run's mirror in an object store: copies of what is finished, made beside the study.

The working folder stays what counts: nothing here changes it, and nothing waits for a copy but
the end of the command. The journal is copied after the files of the trials that end in it, so that
another head that goes on from the mirror finds them.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from study.run.files import open_own
from study.run.folder import JOURNAL_NAME
from study.run.mirror_state import MirrorState, read_writer, write_writer
from study.run.mirrored_files import all_files, finished_files, stamp
from study.run.remote import Remote, Unreachable

EVERY_SECONDS = 30.0  # what is finished is copied, or more rarely where that takes long
MOST_SHARE = 0.1  # of the time is spent on copying again what changed
FRONT = "front/"


class Mirror:
    """Copies a run's finished files to an object store, from a thread of its own.

    Attributes:
        complete: whether all of the run was there when the command ended.
    """

    def __init__(self, run_dir: Path, remote: Remote, say: Callable[[str], None]) -> None:
        """Name both sides; nothing is copied yet.

        Args:
            run_dir: the working folder, of which this process has the journal to itself.
            remote: the run's folder in the object store.
            say: prints a line, from any thread.
        """
        self._folder, self._remote, self._say = run_dir, remote, say
        self._state = MirrorState.load(run_dir) or MirrorState(remote.url)
        self._lock = threading.Lock()
        self._ended: set[int] = set()
        self._journal_bytes = 0
        self._is_late = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mirror", daemon=True)
        self.complete = False

    def note_ended(self, numbers: Iterable[int]) -> None:
        """Copy the files of trials that have ended, and then the journal up to here.

        The driver calls it between its lines of the journal.
        """
        size = (self._folder / JOURNAL_NAME).stat().st_size
        with self._lock:
            self._ended.update(numbers)
            self._journal_bytes = size

    def begin(self, *, new: bool) -> None:
        """Take the mirror over, and prove that it can be written to.

        Args:
            new: whether nothing may be there.

        Raises:
            ValueError: another driver wrote to it since, or a new one's place is taken.
            Unreachable: it cannot be read or written.
        """
        known = None if new else read_writer(self._remote)
        if known not in (None, self._state.writer):
            raise ValueError(
                f"{self._remote.url} was written by another driver since; bring {self._folder} up "
                f"to it with: python -m study.search --resume {self._remote.url}"
            )
        writer = secrets.token_hex(16)
        before = {} if new else self._state.files
        MirrorState(self._remote.url, writer, before).save(self._folder)
        try:
            write_writer(self._remote, writer, new=new)
        except FileExistsError as error:
            url = self._remote.url
            raise ValueError(f"{url} exists; give another --name, or --resume {url}") from error
        there = self._remote.sizes()
        kept = {name: copied for name, copied in before.items() if there.get(name) == copied[0]}
        self._state = MirrorState(self._remote.url, writer, kept)
        if JOURNAL_NAME not in there:  # so that whatever comes, there is a run to go on with
            self._copy(finished=True)
        self._say(f"mirror   {self._remote.url}")
        self._thread.start()

    def end(self) -> None:
        """Copy what is left, and say what is missing then; a kill loses no more than this."""
        self._stop.set()
        self._thread.join()
        if missing := self._missing():
            self._say(f"mirror   {_count(missing)} still to be copied")
        reason = self._try_to_copy(finished=False)
        self.complete = reason is None
        if reason is not None:
            missing = self._missing()
            first = f" ({missing[0]} ...)" if missing else ""
            self._say(
                f"mirror   incomplete, {_count(missing)} missing{first}: {reason}; all of the run "
                f"is in {self._folder}, and its --resume copies what is missing"
            )

    def _work(self) -> None:
        """Copy what is finished, now and then."""
        pause = EVERY_SECONDS
        while not self._stop.wait(pause):
            begin = time.monotonic()
            reason = self._try_to_copy(finished=True)
            if reason is not None and not self._is_late:
                self._say(f"mirror   late: {reason}; it is tried again")
            self._is_late = reason is not None
            pause = max(EVERY_SECONDS, (time.monotonic() - begin) / MOST_SHARE)

    def _try_to_copy(self, *, finished: bool) -> str | None:
        """Copy, and return why that failed; whatever it is, it must not harm the study."""
        try:
            self._copy(finished=finished)
        except Exception as error:
            is_said = isinstance(error, OSError | ValueError)
            return str(error) if is_said else f"{type(error).__name__}: {error}"
        return None

    def _copy(self, *, finished: bool) -> None:
        """Copy what changed: what is finished while the run is worked on, or all of it."""
        with self._lock:
            trials, journal_bytes = set(self._ended), self._journal_bytes
        if read_writer(self._remote) != self._state.writer:
            raise Unreachable(f"{self._remote.url} is another driver's now, or was removed")
        names = finished_files(self._folder, trials) if finished else all_files(self._folder)
        try:
            for name in names:
                self._copy_file(name)
            if not finished:
                self._remove_old_front(names)
                journal_bytes = (self._folder / JOURNAL_NAME).stat().st_size
            self._copy_journal(journal_bytes)
        finally:
            self._state.save(self._folder)
        with self._lock:
            self._ended -= trials

    def _copy_file(self, name: str) -> None:
        path = self._folder / name
        found = stamp(path)
        if found is None or self._state.files.get(name) == found:
            return
        try:
            with open_own(path) as file:
                content = file.read()
        except FileNotFoundError:  # replaced meanwhile: its successor is copied another time
            return
        self._remote.write(name, content)
        self._state.files[name] = found

    def _copy_journal(self, size: int) -> None:
        """Copy whole lines of the journal, all that were there at a moment."""
        with open_own(self._folder / JOURNAL_NAME) as file:
            content = file.read(size)
        content = content[: content.rfind(b"\n") + 1]
        found = (len(content), 0)  # it only grows
        if self._state.files.get(JOURNAL_NAME) != found:
            self._remote.write(JOURNAL_NAME, content)
            self._state.files[JOURNAL_NAME] = found

    def _remove_old_front(self, names: Iterable[str]) -> None:
        """Remove the models that are on the front no more."""
        known = [name for name in self._state.files if name.startswith(FRONT)]
        for name in set(known).difference(names):
            self._remote.remove(name)
            del self._state.files[name]

    def _missing(self) -> list[str]:
        files = self._state.files
        names = all_files(self._folder)
        return [name for name in names if files.get(name) != stamp(self._folder / name)]


@contextmanager
def mirroring(
    run_dir: Path,
    remote: Remote | None,
    ended: Iterable[int],
    say: Callable[[str], None],
    *,
    new: bool,
) -> Iterator[Mirror | None]:
    """Mirror a run as long as it is worked on, and to its end; without a mirror nothing is done.

    Args:
        run_dir: the working folder; its journal is there.
        remote: the run's folder in the object store.
        ended: numbers of the trials that have.
        say: prints a line, from any thread.
        new: whether nothing may be in the object store yet.

    Raises:
        ValueError: the mirror is another driver's, or a new one's place is taken.
        Unreachable: it cannot be read or written.
    """
    if remote is None:
        yield None
        return
    mirror = Mirror(run_dir, remote, say)
    mirror.note_ended(ended)
    mirror.begin(new=new)
    try:
        yield mirror
    finally:
        mirror.end()


def _count(names: list[str]) -> str:
    return "1 file" if len(names) == 1 else f"{len(names):,} files"
