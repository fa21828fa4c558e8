from __future__ import annotations

import torch

from worker.models.layers import (
    CrossAttention,
    Linear,
    Residual,
    SwiGLU,
    cast_once,
    rms_norm,
    rope_table,
    rotate,
    truncated_normal,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_truncated_values_have_the_asked_std_and_end_at_two_sigma_of_their_normal() -> None:
    values = truncated_normal((200_000,), 0.5, generator())
    assert abs(float(values.std()) - 0.5) < 2e-3
    assert float(values.abs().max()) <= 2 * 0.5 / 0.8796


def test_a_linear_map_starts_with_lecun_scale_and_draws_from_the_given_generator_alone() -> None:
    torch.manual_seed(1)
    first = Linear(400, 100, generator(7)).weight
    torch.manual_seed(2)
    second = Linear(400, 100, generator(7)).weight
    assert torch.equal(first, second)
    assert abs(float(first.detach().std()) - 400**-0.5) < 1e-3


def test_the_inner_size_of_swiglu_is_two_thirds_of_the_expansion_in_multiples_of_256() -> None:
    assert SwiGLU(512, 4, generator()).down.weight.shape == (512, 1536)
    assert SwiGLU(32, 4, generator()).down.weight.shape == (32, 256)
    assert SwiGLU(8, 4, generator()).gate_up.weight.shape == (512, 8)


def test_rms_norm_gives_mean_square_one_and_keeps_the_dtype() -> None:
    x = torch.randn(3, 64, generator=generator()) * 9
    assert torch.allclose(rms_norm(x).square().mean(-1), torch.ones(3), atol=1e-4)
    assert rms_norm(x.bfloat16()).dtype == torch.bfloat16


def test_rotated_products_depend_on_the_distance_alone() -> None:
    query, key = torch.randn(2, 1, 1, 1, 8, generator=generator()).expand(2, 1, 12, 1, 8)
    rope = rope_table(12, 8, query.device)
    products = rotate(query, rope)[0, :, 0] @ rotate(key, rope)[0, :, 0].T
    for distance in (0, 3):
        along = products.diagonal(distance)
        assert torch.allclose(along, along[0].expand_as(along), atol=1e-5)
    assert not torch.allclose(products[0, 0], products[0, 3], atol=1e-3)


def test_an_unrotated_token_stays_as_it_is_and_shifts_no_position() -> None:
    x = torch.randn(1, 5, 1, 8, generator=generator())
    shifted = rotate(x, rope_table(4, 8, x.device, unrotated=1))
    assert torch.equal(shifted[:, :1], x[:, :1])
    assert torch.equal(shifted[:, 1:], rotate(x[:, 1:], rope_table(4, 8, x.device)))


def test_a_table_first_made_in_inference_mode_serves_training() -> None:
    with torch.inference_mode():
        rope_table(9, 14, torch.device("cpu"))
    x = torch.randn(1, 9, 1, 14, requires_grad=True)
    rotate(x, rope_table(9, 14, x.device)).sum().backward()
    assert x.grad is not None


def test_queries_see_only_the_members_that_are_there() -> None:
    attention = CrossAttention(8, 2, generator())
    queries, members = torch.randn(2, 3, 8), torch.randn(2, 4, 8)
    mask = torch.tensor([[True, True, False, False], [True, True, True, True]])
    seen = attention(queries, members, mask)
    members[0, 2:] = 100.0
    assert torch.equal(attention(queries, members, mask), seen)


def test_an_empty_set_gives_numbers_and_finite_gradients() -> None:
    attention = CrossAttention(8, 2, generator())
    out = attention(torch.randn(1, 3, 8), torch.zeros(1, 4, 8), torch.zeros(1, 4, dtype=torch.bool))
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert all(torch.isfinite(p.grad).all() for p in attention.parameters() if p.grad is not None)


def test_norm_stands_after_the_sum_or_before_the_branch() -> None:
    x, branch = torch.randn(2, 8), torch.randn(2, 8)
    post, pre = Residual(8, "post", None), Residual(8, "pre", 0.5)
    assert torch.equal(post.before(x), x)
    assert torch.equal(post.after(x, branch), rms_norm(x + branch))
    assert torch.equal(pre.before(x), rms_norm(x))
    assert torch.allclose(pre.after(x, branch), x + 0.5 * branch)


def test_sharing_one_copy_of_the_weights_changes_no_number() -> None:
    layer, x = SwiGLU(32, 4, generator()), torch.randn(3, 32, generator=generator()).bfloat16()

    def results() -> list[torch.Tensor]:
        layer.zero_grad()
        with torch.no_grad():
            first = layer(x)
        twice = layer(layer(first))
        twice.sum().backward()
        gradients = [parameter.grad for parameter in layer.parameters() if parameter.grad is not None]
        assert len(gradients) == 2
        return [first, twice, *gradients]

    alone = results()
    with cast_once(layer, torch.bfloat16):
        together = results()
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))
    assert layer.down.cast is None
    layer.down.weight.data.zero_()
    assert not layer(x).any()
