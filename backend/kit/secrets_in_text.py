"""Take passwords, tokens and keys out of text that people will read: a diff, a command line, an address."""

from __future__ import annotations

import re

HIDDEN = "***"
# A tokenizer, and a number of tokens, are no secrets.
_NAMES = (
    "password|passwd|passphrase|secret|token(?!iz|s)|api[_-]?key|access[_-]?key|private[_-]?key|credential"
)
# Of the whole name, from its first letter to its last: tried once, however long it is.
_NAME = rf"(?<![\w.-])(?=[\w.-]*?(?:{_NAMES}))[\w.-]++"
_KEY_END = "-----END"
_KEY = re.compile(rf"(-----BEGIN [A-Z ]*PRIVATE KEY-----)(?:[^-]|-(?!{_KEY_END[1:]}))*+")
# Whoever may log can send any text: what a pattern does must grow as the text does, and no faster.
_PATTERNS = (
    # user:password@ of an address.
    re.compile(r"(\w://)[^\s/@:'\"]*:[^\s/@'\"]++(?=@)"),
    # name = "value", name: str = "value", "name": "value" and ["name"] = "value", but for "<pad>"; a value
    # without quotes may be code and stays.
    re.compile(
        rf"({_NAME}\\?[\"']?\s*+\]?\s*+(?::\s*+\w++(?:\s*+\|\s*+None)?\s*+=|[:=])\s*+[rbu]?\\?[\"'])"
        r"(?!</?\w+>[\"'])[^\"'\s\\]{4,}+(?=\\?[\"'])",
        re.IGNORECASE,
    ),
    # setdefault("NAME", "value"); login("value") and login(key="value").
    re.compile(
        rf"(\b(?:setdefault|putenv|setenv)\(\s*+[\"']{_NAME}[\"']\s*+,\s*+[\"'])[^\"'\s]{{4,}}+(?=[\"'])",
        re.IGNORECASE,
    ),
    re.compile(r"(\blogin\(\s*+(?:\w++\s*+=\s*+)?[\"'])[^\"'\s]{16,}+(?=[\"'])"),
    # key = "value" of hexadecimal digits, as W&B's are.
    re.compile(r"((?<=key)[\"']?\s*+[:=]\s*+[\"'])[0-9a-f]{32,}+(?=[\"'])", re.IGNORECASE),
    # NAME=value and name: value where it is the whole line, as in .env and YAML files.
    re.compile(
        rf"(^[+ -]?[^\S\n]*+(?:export )?+(?=[\w.-]*?(?:{_NAMES}))[\w.-]++(?:=|: ))(?![\"'])"
        r"[^\s()\[\],]{6,}+$",
        re.IGNORECASE | re.MULTILINE,
    ),
    # --token value and --token=value of a command.
    re.compile(
        r"((?<![\w-])(?=[\w-]*?--)[\w-]++(?:(?<=password)|(?<=secret)|(?<=token)|(?<=key))[= ])"
        r"[^\s\"'-][^\s\"']*",
        re.IGNORECASE,
    ),
    # NAME=value before a command or in its options, and name=value that is no code.
    re.compile(
        rf"((?<![\w.-])(?=[A-Z0-9_]*?(?:{_NAMES.upper()}))[A-Z0-9_]++=)(?!\$)"
        r"[^\s()\[\],\"'`;&|\\]{6,}+(?=[\s\"'`;&|\\]|$)"
    ),
    re.compile(rf"({_NAME}=)(?=[\w-]*?\d)(?=[\w-]*?[a-z])[\w-]{{20,}}+(?=[\s\"'`;&|\\,)]|$)", re.IGNORECASE),
    re.compile(r"(\bwandb login (?:--[\w=-]++ )*+)[\w-]{20,}+"),
    # ?name=value of an address, and addresses that are secrets.
    re.compile(
        rf"([?&](?=[\w.-]*?(?:{_NAMES}|key|signature))[\w.-]++=)[^\s&\"'<>#{{}}]{{6,}}+", re.IGNORECASE
    ),
    re.compile(r"(\bhooks\.slack\.com/\w++/|\bdiscord(?:app)?\.com/api/webhooks/\d++/)[\w/-]++"),
    re.compile(r"(\b[Bb]earer )[\w.~+/=-]{8,}"),
    re.compile(r"([Aa]uthorization[\"']?\s*+[:=]\s*+[rbfu]?[\"']?(?:Token|Basic|Digest) )[\w.~+/=-]{8,}+"),
    # Tokens that their makers give a form of their own.
    re.compile(r"()\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_\w{20,}|github_pat_\w{20,}|hf_\w{20,}|sk-[\w-]{20,})\b"),
    re.compile(r"()\b(?:xox[abeprs]-[\w-]{10,}|glpat-[\w-]{16,}|nvapi-[\w-]{20,}|AIza[\w-]{35})"),
    re.compile(r"()\b(?:wandb_v1_\w{20,}|etrm_[\w-]{30,})"),
    re.compile(r"((?<![\w-])(?>[\w-]*?\b(?=eyJ)))[\w-]{11,}+\.[\w-]{8,}+\.[\w-]{8,}"),
)


def without_secrets(text: str) -> tuple[str, int]:
    """The text with each secret as ***, and how many there were.

    What looks like one is taken for one: a value in quotes whose name says password, secret, token or key,
    the value of such a line of a settings file, variable, parameter of an address or option of a command, the
    password of an address, what a login is called with, a private key, and tokens known by their form.
    """
    # A private key, in a diff with a sign before each line: whatever begins before the last end is one.
    head, end, tail = text.rpartition(_KEY_END)
    head, hidden = _KEY.subn(rf"\g<1>{HIDDEN}", head)
    text = f"{head}{end}{tail}"
    for pattern in _PATTERNS:
        text, count = pattern.subn(rf"\g<1>{HIDDEN}", text)
        hidden += count
    return text, hidden
