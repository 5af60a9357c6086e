"""Issues of a data set: what was found in its folders and lists, counted, with a sentence for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mocrop.pipeline.dataset.issue_codes import IN_FULL, IssueCode
from mocrop.pipeline.names import printable

MAX_EXAMPLES = 3
MAX_KINDS = 8  # in a sentence; --json has all


_SENTENCES: dict[IssueCode, tuple[str, str]] = {
    IssueCode.SAME_NAME: (
        "{n} clip differs from another in its suffix only and keeps the suffix in its name",
        "{n} clips differ from another in their suffix only and keep the suffix in their names",
    ),
    IssueCode.SAME_FILE: (
        "{n} clip would be written where another clip or a folder goes and keeps the suffix in its name",
        "{n} clips would be written where other clips or folders go and keep the suffix in their names",
    ),
    IssueCode.SAME_VIDEO: (
        "{n} clip is the file of another clip, by a link, so one video may have two classes or be in train and test",
        "{n} clips are files of other clips, by links, so one video may have two classes or be in train and test",
    ),
    IssueCode.WITHOUT_CLASS: (
        "{n} video lies outside any class folder and is left out",
        "{n} videos lie outside any class folder and are left out",
    ),
    IssueCode.EMPTY_CLASS: ("{n} class folder holds no clip", "{n} class folders hold no clip"),
    IssueCode.DEEPER_CLASSES: (
        "{n} folder is taken for a class although it holds only folders; a split list can name the classes instead",
        "{n} folders are taken for classes although they hold only folders; a split list can name the classes instead",
    ),
    IssueCode.OTHER_SUFFIX: (
        "{n} file has no suffix of a video and is left out",
        "{n} files have no suffix of a video and are left out",
    ),
    IssueCode.NOT_A_FILE: (
        "{n} entry is named like a video but is a broken link, out of reach or no regular file, and is left out",
        "{n} entries are named like videos but are broken links, out of reach or no regular files, and are left out",
    ),
    IssueCode.LISTS_NOT_READ: (
        "{n} set of lists lies in the data set and is not read; pass it with --splits if it says the classes",
        "{n} sets of lists lie in the data set and are not read; pass them with --splits if they say the classes",
    ),
    IssueCode.EMPTY_FILE: (
        "{n} video is an empty file, which no stage can read; fetch it again",
        "{n} videos are empty files, which no stage can read; fetch them again",
    ),
    IssueCode.NO_PERMISSION: (
        "{n} video may not be read; change its permissions",
        "{n} videos may not be read; change their permissions",
    ),
    IssueCode.NAME_NOT_UTF8: (
        "{n} clip is left out because its path is not UTF-8; rename it",
        "{n} clips are left out because their paths are not UTF-8; rename them",
    ),
    IssueCode.UNREADABLE_FOLDER: (
        "{n} folder cannot be read, so whatever it holds is left out",
        "{n} folders cannot be read, so whatever they hold is left out",
    ),
    IssueCode.FOLDER_LOOP: (
        "{n} link leads back to a folder above it and is not followed",
        "{n} links lead back to a folder above them and are not followed",
    ),
    IssueCode.MALFORMED_LINE: ("{n} line cannot be read and is skipped", "{n} lines cannot be read and are skipped"),
    IssueCode.NOT_ON_DISK: ("{n} listed clip is not on disk", "{n} listed clips are not on disk"),
    IssueCode.AMBIGUOUS: (
        "{n} listed path fits several clips and is skipped; give its folder as well",
        "{n} listed paths fit several clips each and are skipped; give their folders as well",
    ),
    IssueCode.NOT_LISTED: (
        "{n} clip is in no list, so it is in no split",
        "{n} clips are in no list, so they are in no split",
    ),
    IssueCode.LISTED_TWICE: (
        "{n} line repeats an earlier one",
        "{n} lines repeat earlier ones",
    ),
    IssueCode.TRAIN_AND_TEST: (
        "{n} clip is listed for train and test of the same split and is used for test only",
        "{n} clips are listed for train and test of the same split and are used for test only",
    ),
    IssueCode.GROUP_ON_BOTH_SIDES: (
        "{n} group has clips in train and test of the same split, which makes its test clips easier",
        "{n} groups have clips in train and test of the same split, which makes their test clips easier",
    ),
    IssueCode.GROUP_IN_VALIDATION: (
        "{n} group has clips in train and validation of the same split, so the best epoch is chosen on easier clips",
        "{n} groups have clips in train and validation of the same split, so the best epoch is chosen on easier clips",
    ),
    IssueCode.UNKNOWN_CLASS: (
        "{n} clip belongs to no known class and is in no split",
        "{n} clips belong to no known class and are in no split",
    ),
    IssueCode.LABEL_NOT_FOLDER: (
        "{n} clip lies in the folder of another class than its list says; the list counts",
        "{n} clips lie in the folder of another class than their list says; the list counts",
    ),
    IssueCode.TWO_LABELS: (
        "{n} clip is listed with two labels and is in no split; correct its lists, or allow both with --multi-label",
        "{n} clips are listed with several labels each and are in no split; correct their lists, or allow several with "
        "--multi-label",
    ),
    IssueCode.JOINED_LABELS: (
        "{n} class looks like several labels in one; --label-separator takes them apart",
        "{n} classes look like several labels in one; --label-separator takes them apart",
    ),
    IssueCode.CLASS_WITHOUT_CLIPS: ("{n} class has no clip on disk", "{n} classes have no clip on disk"),
    IssueCode.CLASSES_ALIKE: (
        "{n} class is called like another but for case, blanks or accents, so they may be one; correct its name",
        "{n} classes are called like others but for case, blanks or accents, so they may be one; correct their names",
    ),
    IssueCode.VALIDATION_AS_TEST: (
        "{n} validation clip is used for test, because its split lists none for test",
        "{n} validation clips are used for test, because their split lists none for test",
    ),
    IssueCode.TRAIN_AND_VALIDATION: (
        "{n} clip is listed for train and validation of the same split and is used for train only",
        "{n} clips are listed for train and validation of the same split and are used for train only",
    ),
    IssueCode.VALIDATION_AND_TEST: (
        "{n} clip is listed for validation and test of the same split and is used for test only",
        "{n} clips are listed for validation and test of the same split and are used for test only",
    ),
    IssueCode.NO_SEGMENTS: (
        "{n} video has no segment in the lists and is left out",
        "{n} videos have no segment in the lists and are left out",
    ),
    IssueCode.NO_TRAIN_CLIPS: ("{n} split has no clip to train on", "{n} splits have no clip to train on"),
    IssueCode.NO_TEST_CLIPS: ("{n} split has no clip to test on", "{n} splits have no clip to test on"),
    IssueCode.NO_GROUPS: (
        "{n} clip has no group (_gNN_) in its file name, so scenes it shares with others may be in train and test",
        "{n} clips have no group (_gNN_) in their file names, so scenes that they share may be in train and test",
    ),
    IssueCode.CLASS_NOT_TESTED: (
        "{n} class has too few groups or clips to test on, and is used for train",
        "{n} classes have too few groups or clips to test on, and are used for train",
    ),
    IssueCode.NOT_GROUPED: (
        "{n} clip has no group by --group-by and is a group of its own",
        "{n} clips have no group by --group-by and are each a group of its own",
    ),
    IssueCode.TWO_GROUPS: (
        "{n} clip is listed with two groups; the first counts",
        "{n} clips are listed with two groups; the first counts",
    ),
    IssueCode.CLASS_NOT_TRAINED: (
        "{n} class has no clip to train on in a split, since its clips for test stay what they are",
        "{n} classes have no clip to train on in a split, since their clips for test stay what they are",
    ),
    IssueCode.SIDES_CHANGED: (
        "{n} clip changes sides between train and test, so runs that were trained before have seen what is tested now "
        "(`mocrop eval` counts it)",
        "{n} clips change sides between train and test, so runs that were trained before have seen what is tested now "
        "(`mocrop eval` counts them)",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Issue:
    """One kind of issue, how often it was found, and the first few examples."""

    code: IssueCode
    count: int
    examples: tuple[str, ...] = ()  # at most MAX_EXAMPLES; names as they are
    kinds: Mapping[str, int] = field(default_factory=dict)  # files by suffix, or clips by cause; most frequent first

    @property
    def sentence(self) -> str:
        """One line for the terminal.

        >>> Issue(code=IssueCode.EMPTY_CLASS, count=1200, examples=("Archery", "Surfing")).sentence
        '1,200 class folders hold no clip: Archery, Surfing, ...'
        >>> Issue(code=IssueCode.OTHER_SUFFIX, count=12, examples=("a.srt",), kinds={".srt": 11, ".md": 1}).sentence
        '12 files have no suffix of a video and are left out: 11 .srt, 1 .md (a.srt, ...)'
        """
        text = _SENTENCES[self.code][self.count != 1].format(n=f"{self.count:,}")
        kinds = [f"{count:,} {kind}" for kind, count in self.kinds.items()]
        examples = _listed([*map(printable, self.examples)], all_of_them=self.count <= len(self.examples))
        if not kinds:
            return f"{text}: {examples}" if examples else text
        shown = _listed(kinds[:MAX_KINDS], all_of_them=len(kinds) <= MAX_KINDS)
        return f"{text}: {shown} ({examples})" if examples else f"{text}: {shown}"


def _listed(parts: Sequence[str], *, all_of_them: bool) -> str:
    return ", ".join([*parts, *([] if all_of_them or not parts else ["..."])])


class IssueLog:
    """Collects issues: counts and a few examples of all, and in full those of the codes IN_FULL."""

    def __init__(self) -> None:
        self._count: dict[IssueCode, int] = {}
        self._examples: dict[IssueCode, list[str]] = {}
        self._kinds: dict[IssueCode, Counter[str]] = {}
        self.in_full: list[tuple[IssueCode, str, str]] = []  # code, what it is about, and of which kind

    def note(self, code: IssueCode, example: str, *, kind: str = "") -> None:
        """Count one more ``code``, of a kind if there are kinds of it; the first few examples are kept."""
        self._count[code] = self._count.get(code, 0) + 1
        if kind:
            self._kinds.setdefault(code, Counter())[printable(kind)] += 1
        if code in IN_FULL:
            self.in_full.append((code, example, kind))
        examples = self._examples.setdefault(code, [])
        if len(examples) < MAX_EXAMPLES:
            examples.append(example)

    def kinds(self, code: IssueCode) -> dict[str, int]:
        """How often ``code`` was noted of each kind, most frequent first."""
        return dict(sorted(self._kinds.get(code, {}).items(), key=lambda item: (-item[1], item[0])))

    @property
    def issues(self) -> tuple[Issue, ...]:
        """The issues noted so far, in the order of IssueCode."""
        return tuple(
            Issue(code=code, count=self._count[code], examples=tuple(self._examples[code]), kinds=self.kinds(code))
            for code in IssueCode
            if code in self._count
        )
