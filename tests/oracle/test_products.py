"""Products by hand, and against what convolutions and attention are counted to compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from oracle.products import ATTENTION, CACHED, PLAIN, Product, Products, product_of

# A ResNeXt's 3 x 3 convolution in 32 groups: 28 x 28 pixels of 2 images, 4 channels in and out of each group.
GROUPED = ("aten.convolution", [(2, 128, 56, 56), (128, 4, 3, 3)], [(2, 128, 28, 28)])


@pytest.mark.parametrize(
    ("operator", "reads", "made", "expected"),
    [
        (*GROUPED, Product(PLAIN, (32, 2 * 28 * 28, 4, 4 * 9, 1))),
        # The stem of a ResNet, fused with what follows it.
        (
            "aten.convolution +2",
            [(8, 3, 224, 224), (64, 3, 7, 7)],
            [(8, 64, 112, 112)],
            Product(PLAIN, (1, 8 * 112 * 112, 64, 147, 1)),
        ),
        ("aten.convolution", [(4, 6, 50), (10, 6, 5)], [(4, 10, 46)], Product(PLAIN, (1, 4 * 46, 10, 30, 1))),
        ("aten.mm", [(5, 7), (7, 11)], [(5, 11)], Product(PLAIN, (1, 5, 11, 7, 1))),
        ("aten.addmm", [(5, 7), (7, 11)], [(5, 11)], Product(PLAIN, (1, 5, 11, 7, 1))),
        ("aten.bmm", [(3, 5, 7), (3, 7, 11)], [(3, 5, 11)], Product(PLAIN, (3, 5, 11, 7, 1))),
        ("aten.baddbmm", [(3, 5, 11), (3, 5, 7)], [(3, 5, 11)], Product(PLAIN, (3, 5, 11, 7, 1))),
        # 12 heads of width 64, 197 tokens; a query of one token against 512 keys.
        (
            "oracle.attention",
            [(2, 12, 197, 64), (2, 12, 197, 64)],
            [(2, 12, 197, 64)],
            Product(ATTENTION, (24, 197, 197, 64, 1)),
        ),
        (
            "oracle.attention",
            [(2, 12, 1, 64), (2, 12, 512, 64)],
            [(2, 12, 1, 64)],
            Product(ATTENTION, (24, 1, 512, 64, 1)),
        ),
        # 32 heads of queries share 8 of keys and values.
        (
            "oracle.cached_attention",
            [(2, 32, 16, 128), (2, 8, 528, 128)],
            [(2, 32, 16, 128)],
            Product(CACHED, (64, 16, 528, 128, 4)),
        ),
        # 64 heads see 2,048 of 9,000 latents of 512 + 64; 32 heads of an indexer, which score them all.
        (
            "oracle.sparse_attention",
            [(2, 9000, 576), (2, 1, 2048)],
            [(2, 64, 1, 512)],
            Product(CACHED, (128, 1, 2048, 544, 64)),
        ),
        (  # a prompt: each of its tokens has keys of its own, and sees them all
            "oracle.sparse_attention",
            [(2, 9000, 576), (2, 4096, 2048)],
            [(2, 64, 4096, 512)],
            Product(CACHED, (2 * 64 * 4096, 1, 2048, 544, 64)),
        ),
        (
            "oracle.index_scores",
            [(2, 3, 32, 128), (2, 9000, 128)],
            [(2, 3, 9000)],
            Product(PLAIN, (2, 96, 9000, 129, 1)),
        ),
    ],
)
def test_the_integers_of_a_product(operator: str, reads: Any, made: Any, expected: Product) -> None:
    assert product_of(operator, reads, made) == expected


@pytest.mark.parametrize("operator", ["aten.convolution_backward", "oracle.attention_backward", "aten.relu", "mine.op"])
def test_what_has_no_rule_has_no_product(operator: str) -> None:
    assert product_of(operator, [(2, 8, 4, 4), (8, 8, 3, 3)], [(2, 8, 4, 4)]) is None


def test_arrays_give_what_ints_give() -> None:
    widths = np.array([8, 16])
    product = product_of("aten.convolution", [(2, widths, 7, 7), (widths, widths // 4, 3, 3)], [(2, widths, 7, 7)])
    assert product is not None
    for place, width in enumerate(widths.tolist()):
        alone = product_of("aten.convolution", [(2, width, 7, 7), (width, width // 4, 3, 3)], [(2, width, 7, 7)])
        assert alone is not None
        assert [np.broadcast_to(dim, 2)[place] for dim in product.dims] == list(alone.dims)


def test_only_what_explains_all_flops_counts() -> None:
    # The last is a transposed convolution from 16 to 8 channels, whose weight has them the other way round.
    transposed = product_of("aten.convolution", [(1, 16, 4, 4), (16, 8, 2, 2)], [(1, 8, 8, 8)])
    found = Products.of([product_of(*GROUPED), None, product_of("aten.mm", [(5, 7), (7, 11)], [(5, 11)]), transposed])
    assert found.kernels.tolist() == [0, 2, 3]
    assert found.kinds.tolist() == [PLAIN, PLAIN, PLAIN]
    convolution = 2.0 * 32 * 2 * 28 * 28 * 4 * 36
    known, causal, _ = found.explained(np.array([convolution, 770.0, 2.0 * 16 * 16 * 8 * 4]))
    assert (known.tolist(), causal.tolist()) == ([True, True, False], [False] * 3)
    assert found.explained(np.array([convolution, 771.0, 0.0]))[0].tolist() == [True, False, False]


def test_attention_over_a_cache_may_count_what_its_mask_leaves() -> None:
    queries = [(2, 32, 16, 128), (2, 8, 528, 128)], [(2, 32, 16, 128)]
    over_cache = product_of("oracle.cached_attention", *queries)
    plain = product_of("oracle.attention", *queries)
    found = Products.of([over_cache, over_cache, plain])
    visible = sum(512 + query + 1 for query in range(16))
    flops = [4.0 * 64 * 128 * scores for scores in (16 * 528, visible, visible)]
    known, causal, windows = found.explained(np.array(flops))
    assert (known.tolist(), causal.tolist()) == ([True, True, False], [True, True, False])
    assert windows[:2] == pytest.approx([528.0, 528.0])
    square = Products.of([product_of("oracle.attention", [(2, 3, 16, 8)] * 2, [(2, 3, 16, 8)])] * 2)
    known, causal, _ = square.explained(np.array([4.0 * 6 * 8 * scores for scores in (256, 16 * 17 // 2)]))
    assert (known.tolist(), causal.tolist()) == ([True, True], [False, True])


@pytest.mark.parametrize(("queries", "keys"), [(1, 7), (5, 11), (16, 16), (3, 100), (4000, 5000)])
def test_scores_that_are_left_say_what_the_window_is(queries: int, keys: int) -> None:
    windows = np.unique(np.linspace(1, keys, 20).astype(int))
    seen = np.minimum(np.arange(keys - queries + 1, keys + 1)[:, None], windows).sum(axis=0)
    one = Products.of([Product(CACHED, (6, queries, keys, 32, 2))])
    found = Products(one.kernels, one.kinds, np.repeat(one.dims[:, :, None], len(windows), axis=2))
    known, causal, inferred = found.explained(4.0 * 6 * 32 * seen[None])
    assert known.all()
    assert causal.all()
    assert inferred[0] == pytest.approx(windows, rel=1e-6)
