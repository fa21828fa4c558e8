"""The report: asks the questions one after the other and writes docs/benchmarks.md from what they print.

    python -m benchmarks.report [QUESTION ...] [--quick] [--out FOLDER] [--render]

Each question is a process of its own. Its lines replace those of its last run in `benchmarks.jsonl`, once it
has come to its end; of one that failed nothing is written.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.kit.records import Bar, End, Figure, InvalidLine, Line, Machine, parse, read, text_of

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
FILE, DOCUMENT = "benchmarks.jsonl", "benchmarks.md"
# In the order of the page. `observers` is asked alone: its figures stand in a decision.
QUESTIONS = (
    "recorder",
    "charts",
    "tables",
    "start",
    "live",
    "pages",
    "training",
    "evaluation",
    "loader",
    "voting",
)
ALONE = ("observers",)


def ask(question: str, quick: bool) -> list[Line] | None:
    """What a question prints; None if it fails, with its own message on standard error."""
    command = [sys.executable, "-m", f"benchmarks.{question}", *(["--quick"] if quick else [])]
    lines: list[Line] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for text in process.stdout:
            try:
                lines.append(parse(text))
            except InvalidLine:  # a remark of a library
                print(text, end="", file=sys.stderr)
            else:
                if isinstance(figure := lines[-1], Figure):
                    print(f"  {figure.case}: {statistic(figure)} ({figure.subject})", file=sys.stderr)
    return lines if process.returncode == 0 and lines and isinstance(lines[-1], End) else None


def replaced(old: Sequence[Line], new: Sequence[Line]) -> list[Line]:
    """The lines of a file in which a question was asked again, questions in the order of the page."""
    questions = {line.question for line in new}
    lines = [line for line in old if line.question not in questions] + list(new)
    return sorted(lines, key=lambda line: _order(line.question))


def _order(question: str) -> int:
    known = (*QUESTIONS, *ALONE)
    return known.index(question) if question in known else len(known)


def document(lines: Iterable[Line]) -> str:
    """docs/benchmarks.md: a section for each question, its figures beside those of others in one run."""
    sections: dict[str, list[Line]] = {}
    for line in lines:
        sections.setdefault(line.question, []).append(line)
    parts = [_HEAD]
    machines = [line for of in sections.values() for line in of if isinstance(line, Machine)]
    if quick := [f"`{machine.question}`" for machine in machines if machine.quick]:
        parts.append(_QUICK.format(sections=", ".join(quick)))
    parts += [_section(of) for of in sections.values()]
    return "\n".join(parts)


def _section(lines: Sequence[Line]) -> str:
    machine = next((line for line in lines if isinstance(line, Machine)), None)
    end = next((line for line in lines if isinstance(line, End)), None)
    figures = [line for line in lines if isinstance(line, Figure)]
    cases = list(dict.fromkeys(figure.case for figure in figures))
    figures.sort(key=lambda figure: cases.index(figure.case))  # whoever did the same stands together
    rows = ["| case | who | median | low to high | p95 | p99 | bar | compared with ours |", _RULE]
    rows += [_row(figure, reference(figure, figures)) for figure in figures]
    notes = dict.fromkeys(
        f"- {figure.case}, {figure.subject}: {figure.note}." for figure in figures if figure.note
    )
    title = machine.title if machine else lines[0].question
    text = f"## {title}\n\n"
    if machine:
        text += f"{_of_machine(machine, end)}\n\n"
    text += "\n".join(rows) + "\n"
    return text + ("\n" + "\n".join(notes) + "\n" if notes else "")


def _of_machine(machine: Machine, end: End | None) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    load = f"{machine.load:.1f}" + (f" before and {end.load:.1f} after" if end else " before")
    took = f", in {end.seconds:,.0f} s" if end else ""
    size = "quick run, small sizes; " if machine.quick else ""
    hardware = f"{machine.cpu}, {machine.cores} cores, {machine.memory_gb:.0f} GB, {machine.system}"
    asked = f"`python -m benchmarks.{machine.question}`, {machine.at}{took}"
    return f"{asked}; {size}{hardware}; load {load}; {versions}."


def reference(figure: Figure, figures: Sequence[Figure]) -> Figure | None:
    """Ours in the same case and unit, which a figure of somebody else is compared with: the first."""
    if figure.is_ours:
        return None
    same = (each for each in figures if (each.case, each.unit) == (figure.case, figure.unit))
    return next((each for each in same if each.is_ours and each.n), None)


def _row(figure: Figure, ours: Figure | None) -> str:
    cells = [
        figure.case,
        figure.subject,
        statistic(figure),
        f"{number(figure.low)} to {number(figure.high)}" if figure.n > 1 else "",
        number(figure.p95) if figure.n >= MIN_FOR_P95 or _asks(figure, "p95") else "",
        number(figure.p99) if figure.n >= MIN_FOR_P99 or _asks(figure, "p99") else "",
        _bar(figure, figure.bar) if figure.bar else "",
        _compared(figure, ours) if ours else "",
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


MIN_FOR_P95, MIN_FOR_P99 = 20, 100  # values


def _asks(figure: Figure, name: str) -> bool:
    return figure.bar is not None and figure.bar.statistic == name


def statistic(figure: Figure) -> str:
    """The median with its unit, or that there is none."""
    if figure.median is None:
        return "not measured"
    of = f" (n = {figure.n:,})" if figure.n > 1 else ""
    return f"{number(figure.median)} {figure.unit}{of}"


def number(value: float | None) -> str:
    """Three significant digits, thousands apart."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _bar(figure: Figure, bar: Bar) -> str:
    sign = "≤" if bar.side == "at_most" else "≥"
    name = "" if bar.statistic == "median" else f"{bar.statistic} "
    met = bar.is_met(figure)
    verdict = "" if met is None else ", met" if met else ", **missed**"
    return f"{name}{sign} {number(bar.limit)}{verdict}"


def _compared(figure: Figure, ours: Figure) -> str:
    ratio = figure.times_worse_than(ours)
    if ratio is None:
        return ""
    if number(ratio) == "1":
        return "the same"
    if ratio >= 1:
        return f"{number(ratio)} × worse"
    return f"{number(1 / ratio)} × better"


def main() -> int:
    """Status 1 where a question failed, 2 where the file of results is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=f"Default: {' '.join(QUESTIONS)}.")
    parser.add_argument("--quick", action="store_true", help="Small sizes and few repeats.")
    parser.add_argument("--out", type=Path, help=f"Folder of {FILE} and {DOCUMENT}; default: docs.")
    parser.add_argument("--render", action="store_true", help="Write the page again; ask nothing.")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.questions if name not in (*QUESTIONS, *ALONE)]:
        parser.error(f"unknown question {unknown[0]!r}; there are {', '.join((*QUESTIONS, *ALONE))}")
    folder: Path = chosen.out or DOCS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    failed = []
    try:
        lines = read(path.read_text().splitlines(), str(path)) if path.exists() else []
    except InvalidLine as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    for question in () if chosen.render else chosen.questions or QUESTIONS:
        print(f"{question} …", file=sys.stderr)
        answer = ask(question, chosen.quick)
        if answer is None:
            failed.append(question)
            continue
        lines = replaced(lines, answer)
        path.write_text("".join(text_of(line) + "\n" for line in lines))
    (folder / DOCUMENT).write_text(document(lines))
    if failed:
        print(f"Error: no figures of {', '.join(failed)}; the messages are above", file=sys.stderr)
    return bool(failed)


_RULE = "| --- | --- | ---: | ---: | ---: | ---: | --- | --- |"
_HEAD = """\
# Benchmarks

How fast the lab is, beside other trackers in their default set-up and beside floors, all of one section in
one run on one machine. This page is made of [benchmarks.jsonl](benchmarks.jsonl); `make bench-report`
measures again and writes it. On another machine compare the ratios, not the figures.

Peers are installed by the benchmark into environments of their own. "Worse" and "better" are by the medians:
better is less time, less memory, fewer bytes, higher rates. p95 and p99 are nearest ranks, shown of at least
20 and 100 values, or where the bar is set for them.
"""
_QUICK = """\
**Sections of quick runs, with small sizes and perhaps on a busy machine: {sections}. They show that the
question works, and have no figure to quote.**
"""

if __name__ == "__main__":
    sys.exit(main())
