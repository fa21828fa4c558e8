"""What bounds a training step on a GPU: operations, bytes and launches, counted without computing.

A step of the lab's own code runs on tensors that have a shape and no content, so any machine can count the
largest step. Operations are those of products, by torch's FlopCounterMode. Bytes are those that an operator
reads and writes when every one goes through memory: what a compiler fuses away is counted. Launches are
operators that touch memory. Where there is a GPU, the step is timed beside the bound.

    python -m benchmarks.roofline [--batch 768] [--width 512] [--demonstrations 3.3] > docs/roofline.md
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter, defaultdict
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from backend.domain.config.presets import etrm_deterministic_arc1
from backend.domain.experiment import EtrmModel, ExperimentConfig
from benchmarks.flops import peak_of, step_flops
from worker.kit.batch import Batch, labels_of
from worker.models.build import build_reasoner
from worker.models.reasoner import Reasoner
from worker.training.objective.losses import act_loss
from worker.training.optim import build_optimisers

SIDE, PLACES = 30, 10  # published canvas; most demonstrations of a sample
CARD, CARD_FLOPS, CARD_BYTES = "H100 SXM", 989e12, 3.35e12  # dense bf16 products, memory; per second
LAUNCH_SECONDS = 5e-6  # of the host, per operator: a usual figure, not measured here
# Operators that only give another view or fresh memory, or ask where a tensor is.
FREE = {
    "alias", "as_strided", "detach", "device", "empty", "empty_like", "empty_strided", "expand", "permute",
    "select", "slice", "split", "split_with_sizes", "squeeze", "t", "transpose", "unbind", "unsqueeze",
    "view", "_unsafe_view", "_reshape_alias", "new_empty", "new_empty_strided", "resize_", "set_",
}  # fmt: skip
PRODUCTS = {"mm", "addmm", "bmm", "baddbmm"}


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


def _attention_backward(gradient: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_backward_flop_count(gradient, query, key, value))


# What torch's counter does not know: the kernels of a CPU, which stand here for those of a GPU.
CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


class Counted(NamedTuple):
    """Of one step: operations of products, bytes by kind of operator, launches by operator."""

    flops: float
    byte_counts: dict[str, float]
    launches: Counter[str]

    @property
    def all_bytes(self) -> float:
        return sum(self.byte_counts.values())


class _Traffic(TorchDispatchMode):
    """Bytes and launches of the operators that run inside."""

    def __init__(self) -> None:
        super().__init__()
        self.byte_counts: dict[str, float] = defaultdict(float)
        self.launches: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name not in FREE:
            tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
            self.byte_counts[kind_of(name)] += sum(_bytes(tensor) for tensor in tensors)
            self.launches[name] += 1
        return result


def kind_of(name: str) -> str:
    if name in PRODUCTS:
        return "products"
    return "attention" if "attention" in name else "element by element, and the rest"


def _bytes(tensor: Tensor) -> float:
    """What lies in memory: an expanded tensor's strides of 0 are read from the cache."""
    sizes = (size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride)
    count = 1
    for size in sizes:
        count *= size
    return float(count * tensor.element_size())


def count(config: ExperimentConfig, encoded: int) -> Counted:
    """One training step of `config` on the whole canvas with `encoded` demonstrations, in bf16."""
    reasoner = build_reasoner(config, 1).train()
    _fill_tables(reasoner)
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        for module in reasoner.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                setattr(module, name, torch.nn.Parameter(fake.from_tensor(parameter.detach())))
        optimisers = build_optimisers(reasoner, config)
        batch = blank_batch(config.training.batch_size, encoded)
        carry = reasoner.initial_carry(batch)
        with FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as flops, _Traffic() as counter:
            step(reasoner, optimisers, carry, batch)
    return Counted(float(flops.get_total_flops()), dict(counter.byte_counts), counter.launches)


def step(reasoner: Reasoner, optimisers: Any, carry: Any, batch: Batch) -> None:
    """Forward, backward and the optimiser, as the learner makes them, without its observers."""
    optimisers.begin(0)
    with torch.autocast(batch.inputs.device.type, dtype=torch.bfloat16):
        output = reasoner.step(carry, batch)
    terms = act_loss(output.logits, output.halt_logits, output.carry.batch.labels)
    (terms.total / len(batch.inputs)).backward()  # type: ignore[no-untyped-call]
    optimisers.set_learning_rate(0)
    optimisers.step()


def blank_batch(samples: int, encoded: int) -> Batch:
    cells = SIDE**2
    tokens = torch.ones(samples, cells, dtype=torch.uint8)
    return Batch(
        inputs=tokens,
        labels=labels_of(tokens),
        demo_inputs=tokens[:, None].expand(-1, PLACES, -1),
        demo_outputs=tokens[:, None].expand(-1, PLACES, -1),
        demo_mask=torch.ones(samples, PLACES, dtype=torch.bool),
        puzzle=torch.zeros(samples, dtype=torch.int64),
        places=torch.arange(encoded),
    )


def _fill_tables(reasoner: Reasoner) -> None:
    """Make the tables that all steps share with contents, before contents are given up."""
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        batch = blank_batch(1, 1)
        reasoner.step(reasoner.initial_carry(batch), batch)


def measured(config: ExperimentConfig, encoded: int) -> float:
    """Median seconds of one step on the GPU of this machine."""
    device = torch.device("cuda")
    reasoner = build_reasoner(config, 1).to(device).train()
    optimisers = build_optimisers(reasoner, config)
    batch = blank_batch(config.training.batch_size, encoded).to(device)
    carry = reasoner.initial_carry(batch)
    laps = []
    for _ in range(8):
        torch.cuda.synchronize()
        started = time.perf_counter()
        step(reasoner, optimisers, carry, batch)
        torch.cuda.synchronize()
        laps.append(time.perf_counter() - started)
    return statistics.median(laps[3:])


def configured(width: int, batch: int) -> ExperimentConfig:
    base = etrm_deterministic_arc1()
    core = base.model.core.model_copy(update={"width": width})
    model = base.model.model_copy(update={"core": core})
    training = base.training.model_copy(update={"batch_size": batch})
    return base.model_copy(update={"model": model, "training": training})


def page(config: ExperimentConfig, encoded: int) -> str:
    """The page as Markdown."""
    samples, width = config.training.batch_size, config.model.core.width
    whole = count(config, encoded)
    model = config.model
    assert isinstance(model, EtrmModel)
    by_formula = step_flops(model, SIDE**2, samples, samples * PLACES, encoded)
    launches = sum(whole.launches.values())
    by_products = whole.flops / CARD_FLOPS
    by_memory = whole.all_bytes / CARD_BYTES
    # Fused perfectly: between two products one kernel reads what one wrote and writes what the other reads.
    fused = by_products + (whole.byte_counts["products"] + whole.byte_counts["attention"]) / CARD_BYTES
    apart = max(by_products, by_memory)
    lines = [
        "# What bounds a training step on a GPU",
        "",
        f"One step of the deterministic encoder, D = {width}, {samples} samples on {SIDE} x {SIDE},",
        f"{encoded} demonstrations, bf16, forward, backward and optimiser; counted by",
        f"`python -m benchmarks.roofline` with PyTorch {torch.__version__.partition('+')[0]} on tensors",
        f"without content. The times are bounds for one {CARD} ({CARD_FLOPS / 1e12:.0f} TFLOP/s dense bf16,",
        f"{CARD_BYTES / 1e12:.2f} TB/s by its data sheet); nothing was measured on one.",
        "",
        "| | counted | bound on the card |",
        "|---|---|---|",
        f"| operations of products and attention | {whole.flops / 1e12:.1f} TFLOP (by formula, "
        f"`benchmarks/flops.py`: {by_formula / 1e12:.1f}) | {by_products:.2f} s |",
        *(
            f"| bytes, {kind} | {size / 1e9:,.0f} GB | {size / CARD_BYTES:.2f} s |"
            for kind, size in sorted(whole.byte_counts.items())
        ),
        f"| bytes, all | {whole.all_bytes / 1e9:,.0f} GB | {by_memory:.2f} s |",
        f"| launches, at {LAUNCH_SECONDS * 1e6:.0f} µs of the host | {launches:,} "
        f"| {launches * LAUNCH_SECONDS:.2f} s |",
        "",
        "## What follows",
        f"- {whole.flops / whole.all_bytes:.0f} operations per byte, where the card wants "
        f"{CARD_FLOPS / CARD_BYTES:.0f} to be busy with products.",
        f"- *Not compiled* it is bound by {'memory' if by_memory > by_products else 'products'}: at least "
        f"{apart:.2f} s, {samples / apart:,.0f} samples/s, {by_products / apart:.0%} of the peak.",
        "- *Fused perfectly* (each tensor between two products read once and written once), products and",
        f"  the rest one after the other: {fused:.2f} s, {samples / fused:,.0f} samples/s, "
        f"{by_products / fused:.0%} of the peak.",
        "  Expect `training.compile` between the two.",
        f"- Launching takes the host {launches * LAUNCH_SECONDS / fused:.0%} of the fused step: at this size",
        "  CUDA graphs have next to nothing to win. Parts of a batch (`training.accumulate`) launch again.",
        "- Attention going backward computes its scores again: counted here, not in the formula.",
        "",
        "The operators launched most: "
        + ", ".join(f"`{name}` {times:,}" for name, times in whole.launches.most_common(8))
        + ".",
    ]
    if torch.cuda.is_available():
        seconds, name = measured(config, encoded), torch.cuda.get_device_name()
        rate, peak = whole.flops / seconds, peak_of(name)
        share = f", {rate / peak:.0%} of its peak" if peak else ""
        lines += ["", f"Measured on {name}: {seconds:.2f} s a step, {rate / 1e12:.0f} TFLOP/s{share}."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=768, help="samples per step")
    parser.add_argument("--width", type=int, default=512, help="D")
    parser.add_argument("--demonstrations", type=float, default=3.3, help="of a sample, in the mean")
    chosen = parser.parse_args()
    print(page(configured(chosen.width, chosen.batch), round(chosen.batch * chosen.demonstrations)))


if __name__ == "__main__":
    main()
