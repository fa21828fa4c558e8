"""What a message says: what happened, to which run, its newest result, and where to look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backend.domain.alerts import Event
from backend.kit.format import NBSP, percent, solved
from backend.run_view.views import ResultView, RunView

HOW_TO_LINK = "Set ETRM_PUBLIC_URL to the address of the lab to get a link here."
_TITLES = {
    Event.FINISHED: "{run} finished",
    Event.FAILED: "{run} failed",
    Event.LOST: "{run} was lost",
    Event.JUDGED: "{run} was judged",
    Event.ALARM: "Alarm of {run}",
    Event.EVALUATION: "Evaluation {evaluation} of {run}",
}


@dataclass(frozen=True)
class Happened:
    """An event as it stands in the outbox."""

    key: str
    event: Event
    text: str
    at: float  # seconds since the Unix epoch
    evaluation_id: int | None
    attempt: int


def title_of(happened: Happened, run: RunView) -> str:
    """`quick-seed0 finished`."""
    return _TITLES[happened.event].format(run=run.name, evaluation=happened.evaluation_id)


def text_of(happened: Happened, run: RunView, url: str | None) -> str:
    """Plain text of up to three lines."""
    result = result_of(happened, run)
    lines = [happened.text, result_words(result) if result else "", url or HOW_TO_LINK]
    return "\n".join(line for line in lines if line)


def payload_of(happened: Happened, run: RunView, url: str | None) -> dict[str, Any]:
    """The JSON body of a webhook."""
    title, text, result = title_of(happened, run), text_of(happened, run, url), result_of(happened, run)
    return {
        "id": happened.key,
        "kind": happened.event.value,
        "text": f"{title}\n{text}",
        "attempt": happened.attempt,
        "happened_at": happened.at,
        "run": {
            "id": run.id,
            "name": run.name,
            "variant": run.variant,
            "seed": run.seed,
            "status": run.status.value,
        },
        "evaluation": happened.evaluation_id,
        "result": result.model_dump(mode="json", include=_OF_RESULT) if result else None,
        "path": path_of(happened, run.id),
        "url": url,
    }


def path_of(happened: Happened, run_id: str) -> str:
    """The page about it."""
    if happened.event is Event.EVALUATION and happened.evaluation_id is not None:
        return f"/evaluations/{happened.evaluation_id}"
    return f"/runs/{run_id}#encoder" if happened.event is Event.ALARM else f"/runs/{run_id}"


def result_of(happened: Happened, run: RunView) -> ResultView | None:
    """The evaluation it is about, else the one that speaks for the run, else the newest; None without any."""
    finished = [each for each in run.results if each.status == "finished" and each.pass_at(1)]
    if happened.event is Event.EVALUATION:
        return next((each for each in finished if each.id == happened.evaluation_id), None)
    return run.held_out or max(finished, key=lambda each: each.id, default=None)


def result_words(result: ResultView) -> str:
    """`pass@1 4/16 (25.0 %, 95 % interval 10.2 % to 49.5 %) on arc-agi-1/evaluation, step 600`."""
    score = result.pass_at(1)
    if score is None or not score.n:
        return ""
    within = f"{percent(score.share)}, 95 % interval {percent(score.low)} to {percent(score.high)}"
    words = f"pass@1 {solved(score.solved)}/{score.n} ({within}) on {result.set}, step {result.step:,}"
    return (words + (f" ({result.caveat})" if result.caveat else "")).replace(NBSP, " ")


_OF_RESULT = {"id", "set", "step", "passes", "held_out", "standing"}
