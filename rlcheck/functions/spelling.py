"""What the name of a parameter means: a contract's words, however abbreviated, joined or ordered.

`cliprange` is `clip_range`, `logp_ref` is `ref_log_probs`, `next_val` is `next_value`. A name is read
by its nearest spelling that means one thing only, and a looser spelling counts only where no stricter
one is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

ABBREVIATIONS = {
    "adv": "advantage",
    "coeff": "coef",
    "coefficient": "coef",
    "eps": "epsilon",
    "net": "network",
    "logp": "log probability",
    "logpi": "log probability",
    "logprob": "log probability",
    "param": "parameter",
    "pred": "prediction",
    "prob": "probability",
    "reference": "ref",
    "rew": "reward",
    "val": "value",
}
COMPOUNDS = re.compile(r"(old|new|ref|next|last|clip|value|per|not|non)(?=[a-z]{3})")
"""First parts of names that are often written without an underscore after them."""

MINUS = re.compile(r"(^|(?<=_))(negative|neg|minus)_?(?=.)")
TIME = {"t"}
VALUES = {"v", "q", "value", "values", "qs", "vs"}
"""`v_t` and `q_t` are those of the next state in one library, and of this one in others."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a name means.

    Args:
        meaning: of the vocabulary's.
        distance: from its surest spelling.
        loose: whether no spelling of the vocabulary is quite the same.
        negated: whether it means minus that: `neg_log_probs`.
    """

    meaning: str
    distance: int
    loose: bool = False
    negated: bool = False


class Spellings:
    """Reads names by a vocabulary.

    Args:
        words: (spelling, meaning), surest spelling of a meaning first.
    """

    def __init__(self, words: Iterable[tuple[str, str]]):
        self._exact: dict[str, Reading] = {}
        self._looser: list[dict[str, set[str]]] = [{} for _ in FORMS]
        for spelling, meaning in words:
            self._exact.setdefault(plain(spelling), Reading(meaning, len(self._exact)))
            for form, known in zip(FORMS, self._looser, strict=True):
                known.setdefault(form(spelling), set()).add(meaning)

    def read(self, name: str) -> Reading | None:
        """What the name means, None where no spelling of one meaning is near."""
        if plain(name) in self._exact:
            return self._exact[plain(name)]
        for looseness, (form, known) in enumerate(zip(FORMS, self._looser, strict=True), 1):
            meanings = known.get(form(name), set())
            if len(meanings) > 1:
                return None
            if meanings:
                return Reading(min(meanings), looseness * (len(self._exact) + 1), loose=True)
        positive, signs = MINUS.subn("", plain(name))
        within = self.read(positive) if signs == 1 else None
        return None if within is None else replace(within, negated=True)


def plain(name: str) -> str:
    """A name without what Python needs it to have: `lambda_` is `lambda`."""
    return name.strip("_").lower()


def _parts(name: str) -> list[str]:
    """Its words in full, in order, plurals kept."""
    joined = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip("_")).lower()
    parts = [part for part in joined.split("_") if part]
    parts = [piece for part in parts for piece in _split(part)]
    if len(parts) > 1 and parts[-1] in TIME and parts[0] not in VALUES:
        parts = parts[:-1]
    return [word for part in parts for word in _in_full(part)]


def _split(part: str) -> list[str]:
    if _known(part):
        return [part]
    match = COMPOUNDS.match(part)
    return [part] if match is None else [match[0], *_split(part[match.end() :])]


def _known(part: str) -> bool:
    return part in ABBREVIATIONS or part.removesuffix("s") in ABBREVIATIONS


def _in_full(part: str) -> list[str]:
    if part in ABBREVIATIONS:
        return ABBREVIATIONS[part].split()
    if part.endswith("s") and part[:-1] in ABBREVIATIONS:
        *first, last = ABBREVIATIONS[part[:-1]].split()
        return [*first, f"{last}s"]
    return [part]


def _singular(part: str) -> str:
    if part.endswith("ies"):
        return f"{part[:-3]}y"
    return part[:-1] if part.endswith("s") and len(part) > 3 and not part.endswith("ss") else part


def _in_order(name: str) -> str:
    return " ".join(_parts(name))


def _in_any_order(name: str) -> str:
    return " ".join(sorted(_parts(name)))


def _one_for_many(name: str) -> str:
    return " ".join(sorted(map(_singular, _parts(name))))


FORMS: tuple[Callable[[str], str], ...] = (_in_order, _in_any_order, _one_for_many)
"""Forms in which two spellings are the same, the strictest first."""
