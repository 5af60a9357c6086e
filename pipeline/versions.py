"""Messages on files that this mocrop cannot read: whether a newer or an older one wrote them."""

from __future__ import annotations


def other_layout(subject: str, found: object, *, reads: int, older: str) -> str:
    """One line on a file that has another layout than this mocrop reads, for an error.

    Args:
        subject: the file and the name of the number that tells its layout: "last.pt has checkpoint format".
        found: that number, as it is stored.
        reads: the highest one that this mocrop reads.
        older: the way out unless a newer mocrop wrote the file; what it holds is then of no use here.

    >>> other_layout("last.pt has checkpoint format", 3, reads=2, older="train again")
    'last.pt has checkpoint format 3, this mocrop reads 2: a newer mocrop wrote it; use that one'
    >>> other_layout("last.pt has checkpoint format", None, reads=2, older="train again")
    'last.pt has checkpoint format None, this mocrop reads 2; train again'
    """
    facts = f"{subject} {found}, this mocrop reads {reads}"
    if isinstance(found, int) and found > reads:
        return f"{facts}: a newer mocrop wrote it; use that one"
    return f"{facts}; {older}"


def not_known(subject: str, part: str) -> str:
    """One line on something stored of which this mocrop does not know a part, for an error.

    Args:
        subject: what is stored: a file, a cache, a run.
        part: what is not known, such as the name of a setting.

    >>> not_known("last.pt", "'grid'")
    "last.pt is of a newer mocrop, with 'grid', which this one does not know; use the newer one"
    """
    return f"{subject} is of a newer mocrop, with {part}, which this one does not know; use the newer one"
