"""Every operation of the golden model against plain integers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwshift.errors import NetworkError, QuantizeError
from hwshift.golden import context, model, runner
from hwshift.golden.formats import Arithmetic, Pow2Format
from hwshift.network.fixed import Concat, Conv, Epilogue, FixedLayer, Pool, Shift, Shuffle, Sum

from ..seeds import generator
from . import oracle
from .build import ARITHMETICS, Q16_16, codes, conv_network, epilogue, network, weights

ARITHMETIC_IDS = [f"{a.pe}-{a.act}-{a.weights}-G{a.guard}-D{a.scale_digits}" for a in ARITHMETICS]


def dense(rng, a):
    return conv_network(
        a, (5, 4, 5), Conv(weights(rng, a, (9, 5, 3, 3)), padding=(1, 1, 1, 1)), epilogue(rng, a, 9)
    )


def pointwise_wide(rng, a):
    return conv_network(a, (3, 2, 3), Conv(weights(rng, a, (70, 3, 1, 1))), epilogue(rng, a, 70, "relu"))


def grouped(rng, a):
    op = Conv(weights(rng, a, (16, 3, 2, 2)), padding=(0, 1, 1, 0), groups=2)
    return conv_network(a, (6, 3, 4), op, epilogue(rng, a, 16, "clamp"))


def grouped_narrow(rng, a):
    return conv_network(a, (6, 3, 4), Conv(weights(rng, a, (6, 2, 1, 1)), groups=3), epilogue(rng, a, 6))


def depthwise(rng, a):
    op = Conv(weights(rng, a, (4, 1, 3, 3)), padding=(1, 1, 1, 1), stride=(2, 2), groups=4)
    return conv_network(a, (4, 5, 6), op, epilogue(rng, a, 4, "relu"))


def strided_dilated(rng, a):
    op = Conv(weights(rng, a, (8, 2, 2, 3)), stride=(2, 3), padding=(3, 1, 0, 2), dilation=(2, 1))
    return conv_network(a, (2, 6, 7), op, epilogue(rng, a, 8))


def strided_dilated_narrow(rng, a):
    op = Conv(weights(rng, a, (2, 2, 2, 3)), stride=(3, 2), padding=(1, 4, 2, 0), dilation=(1, 3))
    return conv_network(a, (2, 6, 7), op, epilogue(rng, a, 2))


def fully_connected(rng, a):
    return conv_network(a, (5, 2, 2), Conv(weights(rng, a, (10, 5, 2, 2))), epilogue(rng, a, 10))


def fused_shift(rng, a):
    shift = rng.integers(-2, 3, (5, 2))
    op = Conv(weights(rng, a, (9, 5, 1, 1)), stride=(2, 1), shift=shift)
    return conv_network(a, (5, 5, 4), op, epilogue(rng, a, 9))


def fused_shift_grouped(rng, a):
    shift = rng.integers(-6, 7, (6, 2))
    return conv_network(
        a, (6, 4, 4), Conv(weights(rng, a, (2, 3, 1, 1)), groups=2, shift=shift), epilogue(rng, a, 2)
    )


def residual(rng, a):
    op = Conv(weights(rng, a, (5, 5, 1, 1)))
    return conv_network(a, (5, 3, 3), op, epilogue(rng, a, 5, "clamp", "relu"), residual="in")


def residual_of_average(rng, a):
    own = Epilogue.identity(3)
    own = Epilogue(
        own.m,
        own.s,
        codes(rng, a.act, 3),
        residual_activation=epilogue(rng, a, 3, "none", "clamp").residual_activation,
    )
    op = Pool("avg", (3, 3), (1, 1), (1, 1, 1, 1))
    return network(a, (3, 4, 3), FixedLayer("out", op, ("in",), (3, 4, 3), own, "in"))


def average_excluding(rng, a):
    own = Epilogue(np.ones(3, np.int64), np.zeros(3, np.int64), codes(rng, a.act, 3))
    op = Pool("avg", (3, 2), (2, 1), (1, 1, 2, 0), include_border=False)
    return network(a, (3, 4, 4), FixedLayer("out", op, ("in",), (3, 3, 4), own))


def average_global(rng, a):  # noqa: ARG001
    op = Pool("avg", (5, 7), (1, 1))
    return network(a, (3, 5, 7), FixedLayer("out", op, ("in",), (3, 1, 1), Epilogue.identity(3)))


def maximum(rng, a):
    op = Pool("max", (3, 3), (2, 2), (1, 2, 1, 0))
    return network(a, (3, 5, 6), FixedLayer("out", op, ("in",), (3, 3, 3), epilogue(rng, a, 3)))


def sums(rng, a):
    return network(
        a,
        (4, 3, 3),
        FixedLayer("moved", Shuffle(rng.permutation(4)), ("in",), (4, 3, 3)),
        FixedLayer("two", Sum(), ("in", "moved"), (4, 3, 3), epilogue(rng, a, 4)),
        FixedLayer("one", Sum(), ("two",), (4, 3, 3), epilogue(rng, a, 4, "relu", "clamp"), "in"),
    )


def moves(rng, a):
    return network(
        a,
        (4, 3, 5),
        FixedLayer("shift", Shift(rng.integers(-6, 7, (4, 2))), ("in",), (4, 3, 5)),
        FixedLayer("concat", Concat(), ("shift", "in", "shift"), (12, 3, 5)),
        FixedLayer("shuffle", Shuffle(rng.permutation(12)), ("concat",), (12, 3, 5)),
        FixedLayer("again", Shift(rng.integers(-1, 2, (12, 2))), ("shuffle",), (12, 3, 5)),
    )


BUILDERS = [
    dense,
    pointwise_wide,
    grouped,
    grouped_narrow,
    depthwise,
    strided_dilated,
    strided_dilated_narrow,
    fully_connected,
    fused_shift,
    fused_shift_grouped,
    residual,
    residual_of_average,
    average_excluding,
    average_global,
    maximum,
    sums,
    moves,
]


def check_against_oracle(net, arithmetic, x):
    """Compare every layer and the saturation counts, image by image."""
    found = model.trace(net, arithmetic, x)
    expected = [oracle.trace(net, arithmetic, image) for image in x]
    assert list(found) == [layer.name for layer in net.layers]
    for name in found:
        assert found[name].dtype == np.int32
        assert found[name].tolist() == [maps[name].tolist() for maps, _ in expected], name
    for name, count in found.saturated.items():
        assert count == sum(saturated[name] for _, saturated in expected), name


@pytest.mark.parametrize("arithmetic", ARITHMETICS, ids=ARITHMETIC_IDS)
@pytest.mark.parametrize("builder", BUILDERS, ids=lambda f: f.__name__)
def test_operation(builder, arithmetic):
    rng = generator(BUILDERS.index(builder), ARITHMETICS.index(arithmetic))
    for _ in range(2):
        net = builder(rng, arithmetic)
        check_against_oracle(net, arithmetic, codes(rng, arithmetic.act, (3, *net.input.shape)))


@settings(max_examples=60)
@given(data=st.data())
def test_convolution_geometry(data):
    """Any kernel, stride, padding, dilation, grouping and arithmetic."""
    draw = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    arithmetic = data.draw(st.sampled_from(ARITHMETICS))
    rng = generator(draw(0, 1 << 32))
    groups, kernel, dilation = draw(1, 3), (draw(1, 3), draw(1, 3)), (draw(1, 3), draw(1, 3))
    extent = [dilation[i] * (kernel[i] - 1) + draw(1, 5) for i in range(2)]
    inside = draw(1, 3)
    op = Conv(
        weights(rng, arithmetic, (groups * draw(1, 10), inside, *kernel)),
        (draw(1, 3), draw(1, 3)),
        tuple(draw(0, 3) for _ in range(4)),
        dilation,
        groups,
    )
    own = epilogue(rng, arithmetic, len(op.weights.values))
    net = conv_network(arithmetic, (groups * inside, *extent), op, own)
    check_against_oracle(net, arithmetic, codes(rng, arithmetic.act, (2, *net.input.shape)))


@pytest.mark.parametrize("arithmetic", ARITHMETICS, ids=ARITHMETIC_IDS)
@pytest.mark.parametrize("outputs", [1, 8])
def test_products_of_the_ends(arithmetic, outputs):
    """One weight: products of a format's smallest and largest codes, on both ways through the kernels."""
    fmt, act = arithmetic.weights, arithmetic.act
    rng = generator(1)
    for sign in (-1, 0, 1):
        w = weights(rng, arithmetic, (outputs, 1, 1, 1))
        if isinstance(fmt, Pow2Format):
            ends = [fmt.p_min] if sign == 0 else [fmt.p_min, fmt.p_max]
        else:
            ends = {-1: [fmt.min, fmt.min + 1], 0: [0, 1, -1], 1: [fmt.max]}[sign]
        for end in ends:
            w.values[:] = sign if isinstance(fmt, Pow2Format) else end
            if w.powers is not None:
                w.powers[:] = end
            x = np.array([act.min, act.min + 1, -2, -1, 0, 1, act.max]).reshape(1, 1, 1, 7)
            check_against_oracle(conv_network(arithmetic, (1, 1, 7), Conv(w)), arithmetic, x)


def test_run_is_the_last_layer_of_trace():
    arithmetic = ARITHMETICS[0]
    rng = generator(2)
    net = sums(rng, arithmetic)
    x = codes(rng, arithmetic.act, (2, 4, 3, 3))
    batch = model.trace(net, arithmetic, x)
    np.testing.assert_array_equal(model.run(net, arithmetic, x), batch["one"])
    single = model.trace(net, arithmetic, x[1])
    assert single.output.shape == (4, 3, 3)
    assert model.compare({name: data[1] for name, data in batch.items()}, single) is None
    np.testing.assert_array_equal(model.run(net, arithmetic, x[1]), batch["one"][1])


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">i2", "i4", ">i8", "u8"])
def test_any_integer_dtype(dtype):
    arithmetic = ARITHMETICS[0]
    rng = generator(3)
    net = dense(rng, arithmetic)
    x = rng.integers(0 if "u" in dtype else -100, 100, (2, *net.input.shape))
    np.testing.assert_array_equal(model.run(net, arithmetic, x.astype(dtype)), model.run(net, arithmetic, x))


def test_only_contiguous_arrays(monkeypatch):
    """Steps, reversed and transposed axes are refused before a kernel runs; read-only and big-endian ones are not."""
    rng = generator(7)
    a = ARITHMETICS[0]
    net = sums(rng, a)
    x = codes(rng, a.act, (2, *net.input.shape))
    x.flags.writeable = False
    check_against_oracle(net, a, x)
    check_against_oracle(net, a, x.astype(">i8"))
    monkeypatch.setattr(context, "call_engine", lambda *_: pytest.fail("a kernel ran"))
    layouts = [
        np.repeat(x, 2, axis=3)[..., ::2],
        np.repeat(x, 2, axis=0)[::2],
        x[:, ::-1].copy()[:, ::-1],
        x.transpose(3, 1, 2, 0).copy().transpose(3, 1, 2, 0),
    ]
    for layout in layouts:
        np.testing.assert_array_equal(layout, x)
        for function in (model.run, model.trace):
            with pytest.raises(ValueError) as caught:
                function(net, a, layout)
            assert str(caught.value) == (
                "x must be contiguous in memory (np.ascontiguousarray makes it so); its strides are "
                f"{layout.strides} for shape {layout.shape}"
            )


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("images", [1, 2, 5, 40])
def test_any_batch_on_any_threads(images, threads, monkeypatch):
    """Alone, together on one image, each on blocks of its own, and blocks that are not full."""
    monkeypatch.setattr(runner, "_WORTH_THREADS", 0)
    arithmetic = ARITHMETICS[0]
    rng = generator(4)
    net = residual(rng, arithmetic)
    x = codes(rng, arithmetic.act, (images, 5, 3, 3))
    found = model.trace(net, arithmetic, x, threads=threads)
    expected = [oracle.trace(net, arithmetic, image) for image in x]
    assert found["out"].tolist() == [maps["out"].tolist() for maps, _ in expected]
    assert found.saturated == {"out": sum(saturated["out"] for _, saturated in expected)}
    np.testing.assert_array_equal(model.run(net, arithmetic, x, threads=threads), found["out"])


def test_no_threads_are_refused():
    net = dense(generator(6), ARITHMETICS[0])
    with pytest.raises(ValueError) as caught:
        model.run(net, ARITHMETICS[0], np.zeros((5, 4, 5), int), threads=0)
    assert str(caught.value) == "threads must be an integer of at least 1, not 0"


def test_run_keeps_what_is_read_later():
    """Maps are dropped after their last use only, also where the last use is a residual."""
    a = ARITHMETICS[0]
    rng = generator(5)
    net = network(
        a,
        (2, 3, 3),
        FixedLayer("a", Sum(), ("in",), (2, 3, 3), epilogue(rng, a, 2)),
        FixedLayer("b", Sum(), ("a", "in"), (2, 3, 3), epilogue(rng, a, 2), "in"),
        FixedLayer("c", Sum(), ("b", "b"), (2, 3, 3), epilogue(rng, a, 2), "a"),
    )
    x = codes(rng, a.act, (2, 2, 3, 3))
    np.testing.assert_array_equal(model.run(net, a, x), model.trace(net, a, x)["c"])


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((5, 4, 5)), TypeError, "x must hold integers, not float64"),
        (
            np.zeros((4, 5, 5), int),
            NetworkError,
            r"in: the input must have shape (5, 4, 5) or (images, 5, 4, 5), not (4, 5, 5)",
        ),
        (
            np.zeros((0, 5, 4, 5), int),
            NetworkError,
            r"in: the input must have shape (5, 4, 5) or (images, 5, 4, 5), not (0, 5, 4, 5)",
        ),
        (
            np.zeros((5, 4, 5), bool),
            TypeError,
            "x must hold integers, not bool",
        ),
        (np.zeros((5, 4, 5), object), TypeError, "x must hold integers, not object"),
        (np.zeros((2, 5, 4, 5), np.complex64), TypeError, "x must hold integers, not complex64"),
        (
            np.full((5, 4, 5), -(1 << 31) - 1),
            QuantizeError,
            "in: input codes must fit Q16.16 (-2147483648..2147483647), not -2147483649..-2147483649",
        ),
        (
            np.full((5, 4, 5), (1 << 64) - 1, np.uint64),
            QuantizeError,
            (
                "in: input codes must fit Q16.16 (-2147483648..2147483647), "
                "not 18446744073709551615..18446744073709551615"
            ),
        ),
        (
            np.zeros((1, 1, 5, 4, 5), int),
            NetworkError,
            r"in: the input must have shape (5, 4, 5) or (images, 5, 4, 5), not (1, 1, 5, 4, 5)",
        ),
        (
            np.full((5, 4, 5), 1 << 31),
            QuantizeError,
            "in: input codes must fit Q16.16 (-2147483648..2147483647), not 2147483648..2147483648",
        ),
    ],
)
def test_refused_inputs(x, error, message, monkeypatch):
    """Before anything is computed."""
    net = dense(generator(6), ARITHMETICS[0])
    monkeypatch.setattr(context, "call_engine", lambda *_: pytest.fail("a kernel ran"))
    for function in (model.run, model.trace):
        with pytest.raises(error) as caught:
            function(net, ARITHMETICS[0], x)
        assert str(caught.value) == message


def test_other_things_than_networks_are_refused():
    a = ARITHMETICS[0]
    net = dense(np.random.default_rng(6), a)
    x = np.zeros((1, *net.input.shape), int)
    for function in (model.run, model.trace):
        with pytest.raises(TypeError) as caught:
            function("net", a, x)
        assert str(caught.value) == (
            "network must be a FixedNetwork (hwshift.quantize makes one of a float network), not a str"
        )
        with pytest.raises(TypeError) as caught:
            function(net, "Q16.16", x)
        assert str(caught.value) == "arithmetic must be an Arithmetic, not a str"
        with pytest.raises(ValueError) as bad:
            function(net, a, x, threads=True)
        assert str(bad.value) == "threads must be an integer of at least 1, not True"


def test_refused_average():
    """A window so large that its scale does not fit beside the guard bits."""
    arithmetic = Arithmetic(act=Q16_16, weights=Pow2Format(-31, 0), acc_width=64)
    layer = FixedLayer("out", Pool("avg", (200, 200), (1, 1)), ("in",), (1, 1, 1), Epilogue.identity(1))
    with pytest.raises(QuantizeError) as caught:
        model.run(network(arithmetic, (1, 200, 200), layer), arithmetic, np.zeros((1, 200, 200), int))
    assert str(caught.value) == (
        "out: the scale of the average of 40000 values must have s in 0..31 with 31 guard bits, not 32: "
        "use fewer guard bits"
    )
