"""`etrm compare`: runs side by side in a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from backend.terminal.options import AsJson, score_text

if TYPE_CHECKING:
    from backend.comparison.replicates import VariationPair
    from backend.comparison.service import Pair
    from backend.run_view.views import RunView


def compare(
    run_ids: Annotated[
        list[str], typer.Argument(metavar="RUN RUN...", help="Run ids; the first is the baseline.")
    ],
    k: Annotated[int, typer.Option(min=1, max=100, help="The k of pass@k.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Compare runs: results, differing config fields, and whether the difference is significant."""
    from backend.comparison import replicates, service
    from backend.domain.config.messages import shown
    from backend.terminal.lab import reading
    from backend.terminal.tables import show

    with reading() as session:
        found = service.chosen(session, run_ids)
        pairs = service.pairs(session, found, found[0].id, k)
        variations = service.variations(found)
        seeds = replicates.pairs(replicates.replicates(session, variations, k), variations[0].key)
        differing = service.differing(found)
    if as_json:
        print(json.dumps(_as_json(found, pairs, seeds), indent=2))
        return
    show(
        ("run", "name", "variant", "seed", f"pass@{k}", "measured on"),
        [_row(run, k) for run in found],
        empty="",
    )
    if differing:
        print("\nConfig differences")
        rows = [
            (row.path, *(shown(row.values[run.id]) if run.id in row.values else "" for run in found))
            for row in differing
        ]
        show(("field", *(run.id for run in found)), rows, empty="")
    if pairs:
        print(f"\nAgainst {found[0].id} ({found[0].name}): a is the baseline, b the run")
        for pair in pairs:
            print(f"{pair.run_id}  {pair.view.words if pair.view else pair.reason}")
    if seeds and len(variations) < len(found):
        print(f"\nOver seeds, against {variations[0].label}")
        for each in seeds:
            print(f"{each.label}  {each.words}")


def _row(run: RunView, k: int) -> tuple[str, ...]:
    result = run.held_out
    seed = "" if run.seed is None else str(run.seed)
    parts = (result.set, result.caveat, result.measured_at) if result else ()
    measured = " · ".join(filter(None, parts))
    return (run.id, run.name, run.variant, seed, score_text(result.pass_at(k) if result else None), measured)


def _as_json(found: list[RunView], pairs: list[Pair], seeds: list[VariationPair]) -> dict[str, object]:
    return {
        "runs": [run.model_dump(mode="json") for run in found],
        "significance": [
            {
                "run": pair.run_id,
                "comparison": pair.view.model_dump(mode="json") if pair.view else None,
                "reason": pair.reason,
            }
            for pair in pairs
        ],
        "over_seeds": [each.model_dump(mode="json") for each in seeds],
    }
