"""A study for a paper: the table of claims, and the samples of each claim as a figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version

from backend.charts.paper import hex_colour
from backend.domain.looks import HUES
from backend.kit.exports.figures import Axes, Figure, Look, archive, check_installed, file_stem
from backend.kit.exports.table_files import File, LongFile
from backend.kit.exports.typeset import ENDINGS, MEDIA_TYPES, Cell, Row, Typeset, Typesetting, typeset
from backend.kit.format import NO_VALUE, counted, percent
from backend.study.views import ClaimView, SampleView, StudyView

TYPESETTINGS: tuple[Typesetting, ...] = ("latex", "typst", "markdown")
REDRAW = "`python redraw.py` draws the figures again from the CSV files beside it; it needs matplotlib.\n"
BARS_HEAD = ("line", "value", "low", "high", "basis")


def table(study: StudyView) -> Typeset:
    """Every claim with its verdict and numbers; published results stand below a rule, marked."""
    notes: dict[str, str] = {}
    claims: list[Row] = []
    published: dict[str, Row] = {}
    for claim in study.claims:
        for place, test in enumerate(claim.tests):
            key = f"{claim.confidence:.1%} intervals"
            notes[key] = (
                f"{percent(claim.confidence)} intervals: {counted(claim.of_rounds, 'look')} at "
                f"{counted(len(claim.tests), 'test')} share an error of 5 %."
            )
            first = not place
            claims.append(
                (
                    claim.claim if first else "",
                    test.asks,
                    Cell(test.words, (key,)),
                    claim.verdict if first else "",
                )
            )
        for row in claim.published:
            cell = Cell(f"{row.model} (published)", tuple(row.caveats))
            notes |= {caveat: caveat for caveat in row.caveats}
            published[row.model] = (cell, row.words, NO_VALUE, "not measured here")
    groups = [claims, list(published.values())]
    return Typeset(
        label=f"study-{file_stem(study.name)}",
        caption=f"{study.title}. {study.scale_title}; {', then '.join(study.rounds)}.",
        head=("Claim", "Test", "Found", "Verdict"),
        groups=[rows for rows in groups if rows],
        notes=notes,
        remarks=["A claim is decided where the whole interval lies on one side of its bar."],
    )


def table_file(study: StudyView, as_: Typesetting) -> File:
    """The table in one typesetting."""
    source = typeset(table(study), as_)
    return File(f"{file_stem(study.name)}-claims.{ENDINGS[as_]}", MEDIA_TYPES[as_], source.encode())


def figure(claim: ClaimView) -> Figure | None:
    """The shares that a claim rests on, with 95 % intervals; None where it rests on other numbers or none."""
    samples = _shares(claim)
    if not samples:
        return None
    looks = [
        Look(str(at), sample.title, hex_colour(HUES[at % len(HUES)]), at) for at, sample in enumerate(samples)
    ]
    data = [
        (look.key, sample.mean, sample.low, sample.high, _basis(sample))
        for look, sample in zip(looks, samples, strict=True)
    ]
    ends = (end for sample in samples for end in (sample.mean, sample.low) if end is not None)
    axes = Axes("share (%)", (min(0.0, *ends), 1.0), unit="share")  # what a swapped context costs may be less
    note = f"{claim.verdict}. Mean and 95 % interval over seeds."
    return Figure(f"claim-{file_stem(claim.name)}", claim.claim, "bars", axes, looks, BARS_HEAD, data, note)


def archive_of(study: StudyView) -> LongFile:
    """A zip: the table in every typesetting, a figure for each claim with its data, all numbers as JSON.

    Unavailable, at once, without matplotlib.
    """
    check_installed()
    parts = archive(_parts(study), lambda problems: [_readme(study, problems)])
    return LongFile(f"{file_stem(study.name)}-study.zip", "application/zip", parts)


def _parts(study: StudyView) -> Iterator[Figure | File]:
    for as_ in TYPESETTINGS:
        file = table_file(study, as_)
        yield replace(file, name=f"tables/{file.name}")
    yield File("study.json", "application/json", study.model_dump_json(indent=1).encode())
    for claim in study.claims:
        if drawing := figure(claim):
            yield drawing


def report(study: StudyView, missing: Sequence[str] = ()) -> File:
    """The page of a study as Markdown, for a repository or an appendix. `missing`: figures left out, why."""
    scale = f"{_line(study.scale_title)}; {', then '.join(study.rounds)}"
    lines = [
        f"# {_line(study.title)}",
        "",
        f"{_line(study.about)} {_line(study.scale_about)}".strip(),
        "",
        f"Made with ETRM Lab {version('etrm-lab')}. {scale}.",
        "",
        f"{study.words.capitalize()}. {study.cause}".rstrip(),
        "",
        "| verdict | claim | found |",
        "|---|---|---|",
        *(_summary(claim) for claim in study.claims),
        "",
        *(line for claim in study.claims for line in _section(claim)),
        "## Runs",
        "",
        "| configuration | seeds | computing, all seeds |",
        "|---|---|---|",
        *_runs(study),
        "",
        *(["## Left out", "", *(f"- {_line(text)}" for text in missing), ""] if missing else []),
    ]
    text = "\n".join(lines)
    return File(f"{file_stem(study.name)}-study.md", "text/markdown", text.encode())


def _readme(study: StudyView, missing: Sequence[str]) -> File:
    file = report(study, missing)
    return replace(file, name="README.md", content=file.content + REDRAW.encode())


def _summary(claim: ClaimView) -> str:
    found = "; ".join(test.words for test in claim.tests)
    return f"| {claim.verdict} | {_cell(claim.claim)} | {_cell(found)} |"


def _section(claim: ClaimView) -> Iterator[str]:
    """A claim with its tests, what would change it, and what was published."""
    yield from (f"## {_line(claim.claim)}", "", f"**{claim.verdict.capitalize()}**, {claim.progress}.")
    where = f"Section {claim.section}. " if claim.section else ""
    yield from ("", f"{where}{_line(claim.about)}".strip(), "")
    if claim.trouble:
        yield from (_line(claim.trouble), "")
    yield from (f"| test | found, {percent(claim.confidence)} interval | verdict |", "|---|---|---|")
    yield from (f"| {_cell(test.asks)} | {test.words} | {test.verdict} |" for test in claim.tests)
    yield ""
    for test in claim.tests:
        yield from (f"- {_line(sample.title)}: {test.measure} {sample.words}" for sample in test.samples)
    yield ""
    if claim.would_change:
        yield from (f"What would change it: {_line(claim.would_change)}", "")
    for row in claim.published:
        yield from (f"Published, not measured here: {row.model}: {row.words}.", "")


def _runs(study: StudyView) -> Iterator[str]:
    for runs in study.by_configuration:
        seeds = ", ".join(str(run.seed) for run in runs if run.state == "finished")
        yield f"| {_cell(runs[0].title)} | {seeds} | {sum(run.seconds for run in runs):,.0f} s |"


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _line(text).replace("|", "¦")


def _shares(claim: ClaimView) -> list[SampleView]:
    """Samples that are shares and measured, each once."""
    listed = {
        (test.measure, sample.sample): sample
        for test in claim.tests
        for sample in test.samples
        if test.unit != "number" and sample.mean is not None
    }
    return list(listed.values())


def _basis(sample: SampleView) -> str:
    of_tasks = f" of {counted(sample.tasks, 'task')}" if sample.tasks else ""
    return f"{counted(len(sample.seeds), 'seed')}{of_tasks}"
