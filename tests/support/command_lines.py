"""What is typed after `etrm` to compare commands by URL with those on the database: every command is here."""

from __future__ import annotations

from collections.abc import Mapping

# Command -> what is typed. Each is run by URL and on the database: what it prints and writes is the same.
READING: Mapping[str, tuple[str, ...]] = {
    "whoami": ("whoami",),
    "compare": (
        "compare {run} {other}",
        "compare {run} {other} --json -k 2",
        "compare {run} nosuchrun1",
        "compare {run} {other} --table significance --format typst --out {file}",
        "compare {run} {other} --table result --out {file}",
    ),
    "explore": (
        "explore --of accuracy/token",
        "explore --of 'log(loss)' --filter 'seed < 2' --json",
        "explore --value loss --value 'loss - accuracy/token'",
        "explore --of 'sqrt(loss)'",
    ),
    "ensemble": ("ensemble {run} {other}", "ensemble {run} {other} --json", "ensemble {run} {bare}"),
    "gallery": (
        "gallery --run {run}",
        "gallery --evaluation {evaluation} --evaluation {other_evaluation} --change differ",
        "gallery --run {run} --mode nonsense",
        "gallery --run {run} --limit 2",
    ),
    "metrics": ("metrics", "metrics loss", "metrics los"),
    "presets": ("presets",),
    "config": ("config quick --set training.steps=7", "config quick --set training.stepz=7"),
    "storage": ("storage",),
    "runs": (
        "runs",
        "runs --json --limit 3",
        "runs --filter 'seed == 901' --column training.steps --column loss --column tags",
        "runs --view {view} --column seed",
        "runs --view nosuchview",
        "runs --filter 'sed == 1'",
        "runs --filter 'seed == 123456'",
        "runs --sort nosuchname",
        "runs --limit 1",
    ),
    "runs export": (
        "runs export --filter 'seed == 901' --column loss --out {file}",
        "runs export --format parquet --filter 'seed > 900' --out {file}",
        "runs export --format xls --out {file}",
    ),
    "run show": ("run show {run}", "run show {run} --json", "run show {diverged} --json", "run show nosuch"),
    "run log": (
        "run log {run}",
        "run log {run} -n 2",
        "run log {run} --contains STEP --level info",
        "run log nosuchrun1",
    ),
    "runs log": ("runs log step", "runs log 'nothing like it' --level error", "runs log step --level grave"),
    "run provenance": ("run provenance {run}", "run provenance {run} --json", "run provenance nosuchrun1"),
    "run checkpoints": ("run checkpoints {bare}", "run checkpoints {bare} --json"),
    "run weights": (
        "run weights {bare} {file} --weights raw",
        "run weights {bare} {file} --checkpoint 100",
        "run weights {run} {file}",
        "run weights {bare} {file} --checkpoint papr",
        "run weights {bare} /nowhere/weights",
    ),
    "run curves": (
        "run curves {run} --metric loss --out {file}",
        "run curves {diverged} --format parquet --out {file}",
        "run curves {diverged} --format tensorboard --out {file}",
        "run curves nosuchrun1 --out {file}",
    ),
    "run figure": (
        "run figure {run} loss --out {file}",
        "run figure {run} loss --format svg --width 7 --out {file}",
        "run figure {run} loss --width 4 --out {file}",
        "run figure {run} los --out {file}",
    ),
    "evaluation list": ("evaluation list --limit 5", "evaluation list --run {run} --json"),
    "evaluation show": (
        "evaluation show {evaluation}",
        "evaluation show {evaluation} --json",
        "evaluation show 99999",
    ),
    "evaluation export": (
        "evaluation export {evaluation} --out {file}",
        "evaluation export {evaluation} --what curve --format csv --out {file}",
        "evaluation export {evaluation} --what nonsense --out {file}",
    ),
    "evaluation compare": (
        "evaluation compare {run} {other}",
        "evaluation compare {run} {other} --json",
        "evaluation compare {run} {bare}",
    ),
    "evaluation strata": ("evaluation strata {evaluation}", "evaluation strata {evaluation} --json"),
    "evaluation duel": ("evaluation duel {run} {run}", "evaluation duel {run} {other} --views 9,3"),
    "evaluation learning": (
        "evaluation learning {run}",
        "evaluation learning {run} --json",
        "evaluation learning {other}",
    ),
    "queue": ("queue", "queue --json"),
    "dashboard list": ("dashboard list",),
    "dashboard show": ("dashboard show {slug}", "dashboard show nosuch"),
    "dashboard shares": ("dashboard shares", "dashboard shares {slug}"),
    "dashboard paper": (
        "dashboard paper {slug} --out {file}",
        "dashboard paper nosuch --out {file}",
        "dashboard paper --run {run} --by lines --out {file}",
        "dashboard paper",
    ),
    "dashboard export": ("dashboard export encoder-variants --out {file}", "dashboard export {slug}"),
    "data list": ("data list",),
    "data show": (
        "data show arc-agi-1/training 007bbfb7",
        "data show arc-agi-1/training 007bbfb8",
        "data show generated/crossed/training t0000",
    ),
    "data leaks": ("data leaks {small} {small}", "data leaks {small} nosuch"),
    "parameter-search show": (
        "parameter-search show {search}",
        "parameter-search show {search} --json",
        "parameter-search show nosuchsear",
    ),
    "view list": ("view list", "view list --json"),
    "alerts": ("alerts",),
    "people": ("people",),
    "token list": ("token list",),
}

# The same with what changes the lab: once by URL and once on the database, each on a subject of its own.
CHANGING: Mapping[str, tuple[str, ...]] = {
    "train": ("train quick --queue --set seed=5", "train quick --queue --set data.training_sets=['no']"),
    "sweep": (
        "sweep quick --seeds 2 --name two",
        "sweep quick --grid model.core.width=64,128 --dry-run",
        "sweep quick --grid model.core.width=0 --dry-run",
        "sweep quick --seeds 300 --dry-run",
    ),
    "parameter-search start": (
        "parameter-search start quick --vary model.core.width=8..64:stp=8",
        "parameter-search start quick --vary model.core.width=0..64 --trials 300",
    ),
    "parameter-search stop": ("parameter-search stop {running}", "parameter-search stop nosuchsear"),
    "parameter-search continue": ("parameter-search continue {stopped}",),
    "evaluate": ("evaluate {ended} --no-follow --first 4", "evaluate nosuchrun1 --no-follow"),
    "runs archive": ("runs archive {queued} {ended}", "runs archive {queued} nosuchrun1"),
    "runs restore": ("runs restore {queued}",),
    "runs project": ("runs project arc-2 {queued} {ended}", "runs project arc-2 nosuchrun1"),
    "runs tag": ("runs tag {queued} {ended} --add good --add old", "runs tag nosuchrun1 --add good"),
    "runs note": ("runs note {queued} 'Two lines:\nhere.'", "runs note {noted} Another."),
    "run cancel": ("run cancel {queued}", "run cancel {ended}"),
    "run resume": ("run resume {ended}", "run resume {ended} --checkpoint 100", "run resume {queued}"),
    "run clone": (
        "run clone {ended} --set seed=8 --set training.steps=7",
        "run clone {ended} --set training.stepz=7",
        "run clone {ended} --set nothing",
    ),
    "run alias": (
        "run alias {ended} paper --checkpoint 100",
        "run alias {ended} paper",
        "run alias {ended} Paper!",
        "run alias {ended} mine --remove",
        "run alias {ended} nosuch --remove",
        "run alias {queued} paper",
    ),
    "run fork": (
        "run fork {ended} --checkpoint 100 --set seed=8",
        "run fork {ended} --checkpoint mine --weights raw --part decoder",
        "run fork {ended}",
        "run fork {queued}",
    ),
    "evaluation cancel": ("evaluation cancel {job}", "evaluation cancel 99999"),
    "evaluation resume": ("evaluation resume {cancelled}", "evaluation resume 99999"),
    "queue move": ("queue move {queued} 1", "queue move {ended} 1"),
    "queue priority": ("queue priority {queued} high", "queue priority {queued} hgih"),
    "dashboard create": ("dashboard create {new}", "dashboard create ''"),
    "dashboard duplicate": ("dashboard duplicate {board} --name {new}", "dashboard duplicate nosuch"),
    "dashboard share": ("dashboard share {board}",),
    "dashboard revoke": ("dashboard revoke {board} {link}", "dashboard revoke {board} 99999"),
    "dashboard delete": ("dashboard delete {board}", "dashboard delete nosuch"),
    "data import": (
        "data import {tasks} --name {new}",
        "data import {folder} --name {new}",
        "data import {tasks} --name arc-agi-1/training",
        "data import {pyproject} --name {new}",
    ),
    "data remove": ("data remove {set}", "data remove arc-agi-1/training"),
    "view save": ("view save {new} --filter 'seed > 1' --column seed", "view save {new} --filter 'sed > 1'"),
    "view delete": ("view delete {saved}", "view delete nosuch"),
    "alerts add": (
        "alerts add webhook http://127.0.0.1:9/hook --event finished --filter 'seed > 1' --name {new}",
        "alerts add webhook ftp://x --event finished",
        "alerts add webhook http://127.0.0.1:9/hook --event finnished",
    ),
    "alerts test": ("alerts test {subscription}", "alerts test 99999"),
    "alerts pause": ("alerts pause {subscription}", "alerts pause 99999"),
    "alerts resume": ("alerts resume {subscription}",),
    "alerts remove": ("alerts remove {subscription}", "alerts remove 99999"),
    "people add": ("people add {new} viewer", "people add {new} king"),
    "people invite": ("people invite {person}", "people invite nobody"),
    "people role": ("people role {person} admin", "people role {person} king"),
    "people limit": ("people limit {person} --running 2 --queued 0", "people limit nobody --running 1"),
    "people remove": ("people remove {person}", "people remove nobody"),
    "token create": (
        "token create {new} --person {person} --scope read --expires 30d",
        "token create {new} --scope everything",
    ),
    "token revoke": ("token revoke {token}", "token revoke nosuch"),
    "storage": ("storage --free {ended}", "storage --free {queued}"),
}

# What works on the machine of the lab, or on this one, and refuses where a URL names another.
HERE_ONLY = (
    "up", "web", "worker", "migrate", "train quick", "checkpoint inspect x", "control", "parity x",
    "backup x", "restore x", "run pack x", "run unpack x", "doctor", "data fetch concept",
)  # fmt: skip
OF_LOGINS = {"login", "logout"}
OF_CLIENT = {"sync", "import"}  # tests/client
