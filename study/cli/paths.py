"""Folders and URLs as a command line names them."""

import argparse
from pathlib import Path

from study.run.remote import Remote, is_url


def folder(text: str) -> Path:
    """Parse a folder's path.

    Raises:
        argparse.ArgumentTypeError: it is a URL.
    """
    if is_url(text):
        raise argparse.ArgumentTypeError(
            "a URL; allowed: a folder, such as a copy of what is there (python -m study.search "
            "--resume URL makes one)"
        )
    return Path(text)


def folder_or_url(text: str) -> Path | Remote:
    """Parse a folder's path, or the URL of a folder in an object store.

    Raises:
        argparse.ArgumentTypeError: the URL is none, or holds a password.
    """
    if not is_url(text):
        return Path(text)
    try:
        return Remote.parse(text)
    except ValueError as error:  # argparse would print the whole of what was given
        raise argparse.ArgumentTypeError(str(error)) from None
