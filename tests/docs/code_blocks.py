"""The code blocks of the README and the pages under docs, and the commands in them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
INDENT = "    "
# Of a command: tested by its own parser, on copies of our files, or in a test of its own.
TESTED = ("python", "paretodiff", "make", "pip", "ray", "sed", "eval", "optuna-dashboard")
# Not of ours, and of clouds that no test has; the shell at least can read their lines.
FOREIGN = ("aws", "gcloud", "kubectl", "docker", "openssl", "cut", "tr", "cd", "export", ".")
# What a reader puts in for a word in capitals, by the name of the word.
PLACEHOLDERS = {
    "BUCKET": "models",
    "CLASS": "standard",
    "DIR": "place",
    "HEAD": "10.0.0.10",
    "PATH": "pictures",
    "REGISTRY": "registry.example.org",
}
CAPITALS = re.compile(r"(?<![\w$])[A-Z]{3,}(?!\w)")
# Spaces that pages show, as the files that their commands name.
OWN_SPACES = {"my_space.py": "docs/own_space.md", "widths.py": "docs/guide/own_space.md"}
# Commands of ours that no test runs, by what is in their lines, and why.
ONLY_PARSED = {
    "--address": "a cluster",
    "/mnt/": "a cluster's folder",
    "s3://": "a bucket",
    "--download": "a download",
    "--dataset mnist ": "a download",
    "runs/system-": "hours of training, whose run it reads",
}
OURS = re.compile(r"(?:python -m study\.|paretodiff )(\w[\w-]*)")


@dataclass(frozen=True)
class Block:
    """A block of code: `language` is python, shell or text."""

    page: str
    line: int
    language: str
    source: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command of a shell block, as words, and where its output goes."""

    words: tuple[str, ...]
    output: str | None = None

    @property
    def line(self) -> str:
        return shlex.join(self.words)


def all_blocks() -> list[Block]:
    """Return the blocks of every page."""
    return [block for page in PAGES for block in page_blocks(page)]


def page_blocks(page: Path) -> list[Block]:
    """Return the blocks of a page."""
    return blocks(page.read_text(), str(page.relative_to(ROOT)))


def blocks(text: str, name: str) -> list[Block]:
    """Return the fenced and the indented blocks of a page's text."""
    found, language, begun, lines, blank = [], None, 0, [], True
    for number, line in enumerate([*text.splitlines(), "end"], 1):
        fence = line.lstrip().startswith("```")
        indented = (line.startswith(INDENT) and (lines or blank)) or (not line.strip() and lines)
        if fence and language is None:
            language, begun = line.strip().strip("`") or "text", number
        elif fence or (language is None and lines and not indented):
            source = "\n".join(lines).strip("\n")
            found.append(Block(name, begun, language or guessed(source), source))
            language, lines = None, []
        elif language is not None or indented:
            begun = begun if lines else number
            lines.append(line if language else line.removeprefix(INDENT))
        blank = not line.strip()
    return found


def guessed(source: str) -> str:
    """Return the language of an indented block: shell where it begins with a command."""
    first = commands(source.strip().splitlines()[0].rstrip("\\"))
    return "shell" if not first or first[0].words[0] in TESTED + FOREIGN else "text"


def commands(source: str) -> list[Command]:
    """Return the commands of a shell block, without what is only the shell's."""
    found = []
    for line in source.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";<>|&")
        lexer.whitespace_split = True
        part: list[str] = []
        for word in [*lexer, ";"]:
            if re.fullmatch(r"[;|&]+", word):
                found += _command(part)
                part = []
            else:
                part.append(word)
    return found


def _command(words: list[str]) -> list[Command]:
    """Return the command of these words, if they are not a mere assignment."""
    output = words[words.index(">") + 1] if ">" in words else None
    words = words[: words.index(">")] if ">" in words else words
    while words and (assigned := re.match(r"\w+=(\$\()?", words[0])):
        inner = words[0][assigned.end() :] if assigned[1] else ""
        words = [inner, *words[1:]] if inner else words[1:]
    words = words[1:] if words[:1] == ["nohup"] else words
    return [Command(tuple(words), output)] if words else []


def ours(command: Command) -> tuple[str, list[str]] | None:
    """Return which of our commands this is, with its arguments, if it is one."""
    found = OURS.match(" ".join(command.words))
    if found is None:
        return None
    taken = 2 if command.words[0] == "paretodiff" else 3
    return found[1].replace("_", "-"), list(command.words[taken:])


def filled(argument: str) -> str:
    """Return an argument with values in place of its words in capitals."""
    return CAPITALS.sub(lambda found: PLACEHOLDERS[found[0]], argument)


def is_run(command: Command) -> bool:
    """Whether a command is one of ours that a test runs on a small run."""
    return ours(command) is not None and not any(mark in command.line for mark in ONLY_PARSED)


def own_space(name: str) -> str:
    """Return the space that a page shows, by its file's name."""
    (source,) = [b.source for b in page_blocks(ROOT / OWN_SPACES[name]) if b.language == "python"]
    return f"{source}\n"
