"""Random damage to ONNX models: of their bytes, and of nodes, attributes, sizes and constants."""

import random

from onnx import AttributeProto, ModelProto, TensorProto, helper

__all__ = ["mutated"]

SIZES = [0, 1, 2, 3, -1, -2, 7, 64, 1 << 16, (1 << 31) - 1, 1 << 31, 1 << 40, (1 << 63) - 1, -(1 << 63)]
NUMBERS = [0.0, -1.0, 1e-45, 1e38, -1e38, float("nan"), float("inf"), float("-inf"), 0.5, 2.0]
OPERATORS = [
    "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv", "Div",
    "Dropout", "Expand", "Flatten", "Gather", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Identity", "If",
    "InstanceNormalization", "Loop", "MatMul", "Max", "MaxPool", "Min", "Mul", "Neg", "NoSuchOperator", "Pad", "Range",
    "ReduceMax", "ReduceMean", "Relu", "Reshape", "Resize", "ScatterElements", "ScatterND", "Shape", "Sigmoid", "Slice",
    "Softmax", "Split", "Squeeze", "Sub", "Sum", "Tile", "Transpose", "Unsqueeze", "Where", "GatherND",
]  # fmt: skip
TEXTS = [
    b"",
    b"SAME_UPPER",
    b"SAME_LOWER",
    b"VALID",
    b"NOTSET",
    b"reflect",
    b"nearest",
    b"floor",
    b"\xff\xfe",
]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The bytes of a model with one to four kinds of damage."""
    if rng.random() < 0.2:
        return _bytes(data, rng)
    model = ModelProto.FromString(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        change = rng.choice(CHANGES)
        change(model, rng)
    result = model.SerializeToString()
    return _bytes(result, rng) if rng.random() < 0.05 else result


def _bytes(data: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(data)
    kind = rng.randrange(4)
    if kind == 0:
        return bytes(damaged[: rng.randrange(len(damaged) + 1)])
    # the beginning holds the graph, the end mostly weights
    reach = rng.choice([64, 2000, len(damaged)])
    for _ in range(rng.choice([1, 2, 8, 40])):
        place = rng.randrange(min(reach, len(damaged)))
        if kind == 1:
            damaged[place] = rng.randrange(256)
        elif kind == 2:
            damaged[place] ^= 1 << rng.randrange(8)
        else:
            damaged[place:place] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 5)))
    return bytes(damaged)


def _node(model, rng):
    return rng.choice(model.graph.node) if model.graph.node else helper.make_node("Relu", ["x"], ["y"])


def _names(model):
    names = [name for node in model.graph.node for name in (*node.input, *node.output)]
    return [*names, *(tensor.name for tensor in model.graph.initializer), "", "nowhere"]


def delete_node(model, rng):
    if model.graph.node:
        del model.graph.node[rng.randrange(len(model.graph.node))]


def copy_node(model, rng):
    node = _node(model, rng)
    model.graph.node.insert(rng.randrange(len(model.graph.node) + 1), node)


def swap_nodes(model, rng):
    if len(model.graph.node) > 1:
        one, other = rng.sample(range(len(model.graph.node)), 2)
        first, second = type(_node(model, rng))(), type(_node(model, rng))()
        first.CopyFrom(model.graph.node[one])
        second.CopyFrom(model.graph.node[other])
        model.graph.node[one].CopyFrom(second)
        model.graph.node[other].CopyFrom(first)


def insert_node(model, rng):
    """A new node between a node and one of its inputs."""
    node = _node(model, rng)
    if node.input:
        place = rng.randrange(len(node.input))
        position = next((i for i, other in enumerate(model.graph.node) if other is node), 0)
        fresh = helper.make_node(rng.choice(OPERATORS), [node.input[place]], [f"fresh{rng.randrange(1000)}"])
        node.input[place] = fresh.output[0]
        model.graph.node.insert(position, fresh)


def change_operator(model, rng):
    _node(model, rng).op_type = rng.choice(OPERATORS)


def change_name(model, rng):
    node = _node(model, rng)
    names = node.input if rng.random() < 0.7 else node.output
    if names:
        names[rng.randrange(len(names))] = rng.choice(_names(model))


def change_arity(model, rng):
    node = _node(model, rng)
    names = node.input if rng.random() < 0.7 else node.output
    if names and rng.random() < 0.5:
        del names[rng.randrange(len(names))]
    else:
        names.append(rng.choice(_names(model)))


def change_attribute(model, rng):
    nodes = [node for node in model.graph.node if node.attribute]
    if not nodes:
        return
    item = rng.choice(rng.choice(nodes).attribute)
    kind = rng.randrange(6)
    if kind == 0:
        item.type = rng.randrange(0, 15)
    elif kind == 1:
        item.name = rng.choice(
            ["axes", "axis", "pads", "strides", "group", "perm", "to", "value", "mode", "ceil_mode"]
        )
    elif item.type == AttributeProto.INT:
        item.i = rng.choice(SIZES)
    elif item.type == AttributeProto.INTS:
        _change_ints(item.ints, rng)
    elif item.type == AttributeProto.FLOAT:
        item.f = rng.choice(NUMBERS)
    elif item.type == AttributeProto.STRING:
        item.s = rng.choice(TEXTS)
    elif item.type == AttributeProto.TENSOR:
        _change_tensor(item.t, rng)


def add_attribute(model, rng):
    node = _node(model, rng)
    name = rng.choice(["auto_pad", "axis", "axes", "ceil_mode", "count_include_pad", "dilations", "allowzero",
                       "training_mode", "epsilon", "transA", "transB", "alpha", "keepdims", "group"])  # fmt: skip
    value = rng.choice([rng.choice(SIZES), [rng.choice(SIZES)] * 2, rng.choice(TEXTS), rng.choice(NUMBERS)])
    node.attribute.append(helper.make_attribute(name, value))


def _change_ints(ints, rng):
    kind = rng.randrange(4)
    if kind == 0 and len(ints):
        del ints[rng.randrange(len(ints))]
    elif kind == 1:
        ints.append(rng.choice(SIZES))
    elif len(ints):
        ints[rng.randrange(len(ints))] = rng.choice(SIZES)


def _change_tensor(tensor: TensorProto, rng):
    kind = rng.randrange(8)
    if kind < 2:
        _change_ints(tensor.dims, rng)
    elif kind == 2:
        tensor.data_type = rng.randrange(0, 28)
    elif kind == 3:
        tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
    elif kind == 4:
        location = rng.choice(["../secret", "/etc/passwd", "", ".", "weights.bin", "a/../../b", "\0"])
        del tensor.external_data[:]
        for key, value in (("location", location), ("offset", rng.choice(["0", "-1", "x", str(1 << 62)]))):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
        tensor.data_location = TensorProto.EXTERNAL
    elif tensor.raw_data:
        _change_values(tensor, rng)
    else:
        tensor.int64_data.append(rng.choice(SIZES))


def _change_values(tensor, rng):
    """One element of the data, or all of them."""
    width = 8 if tensor.data_type in (TensorProto.INT64, TensorProto.DOUBLE) else 4
    if tensor.data_type == TensorProto.FLOAT:
        item = TensorProto(float_data=[rng.choice(NUMBERS)])
        value = item.SerializeToString()[-4:]
    else:
        value = rng.choice(SIZES).to_bytes(8, "little", signed=rng is not None)[:width]
    count = len(tensor.raw_data) // width
    if count:
        data = bytearray(tensor.raw_data)
        place = width * rng.randrange(count)
        data[place : place + width] = value
        tensor.raw_data = value * count if rng.random() < 0.1 else bytes(data)


def change_constant(model, rng):
    if model.graph.initializer:
        _change_tensor(rng.choice(model.graph.initializer), rng)


def change_small_constant(model, rng):
    """Shapes, axes and limits are constants of a few integers."""
    small = [tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.INT64]
    small += [
        item.t for node in model.graph.node for item in node.attribute
        if node.op_type == "Constant" and item.t.data_type == TensorProto.INT64]  # fmt: skip
    if small:
        tensor = rng.choice(small)
        if tensor.raw_data and rng.random() < 0.8:
            _change_values(tensor, rng)
        else:
            _change_tensor(tensor, rng)


def rename_constant(model, rng):
    if model.graph.initializer:
        rng.choice(model.graph.initializer).name = rng.choice(_names(model))


def delete_constant(model, rng):
    if model.graph.initializer:
        del model.graph.initializer[rng.randrange(len(model.graph.initializer))]


def change_input(model, rng):
    if not model.graph.input:
        return
    kind = rng.choice(model.graph.input).type.tensor_type
    if rng.random() < 0.2:
        kind.elem_type = rng.randrange(0, 24)
    elif kind.shape.dim:
        dim = rng.choice(kind.shape.dim)
        if rng.random() < 0.2:
            dim.dim_param = "N"
        else:
            dim.dim_value = rng.choice(SIZES)


def change_output(model, rng):
    if model.graph.output and rng.random() < 0.8:
        model.graph.output[0].name = rng.choice(_names(model))
    elif model.graph.node:
        model.graph.output.append(helper.make_empty_tensor_value_info(rng.choice(_names(model))))


def change_version(model, rng):
    if rng.random() < 0.5 and model.opset_import:
        model.opset_import[0].version = rng.choice([*range(8, 30), *SIZES])
    elif rng.random() < 0.5:
        model.ir_version = rng.choice([0, 1, 3, 4, 8, 10, 99, (1 << 63) - 1])
    else:
        model.opset_import.append(
            helper.make_opsetid(rng.choice(["", "ai.onnx", "other"]), rng.randrange(1, 30))
        )


def nest(model, rng):
    """A graph inside a graph inside a graph."""
    inner = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "inner", [], [])
    for level in range(rng.choice([1, 5, 25])):
        node = helper.make_node(rng.choice(["If", "Loop", "Scan"]), ["a"], [f"out{level}"])
        node.attribute.append(helper.make_attribute("body", inner))
        inner = helper.make_graph([node], "inner", [], [])
    node = helper.make_node("If", ["condition"], ["out"], then_branch=inner, else_branch=inner)
    model.graph.node.insert(rng.randrange(len(model.graph.node) + 1), node)


def repeat_node(model, rng):
    """A long chain of one node."""
    node = _node(model, rng)
    if not node.input or not node.output:
        return
    last = node.input[0]
    for number in range(rng.choice([10, 300])):
        copy = type(node)()
        copy.CopyFrom(node)
        copy.input[0], copy.output[0] = last, f"chain{number}"
        last = copy.output[0]
        model.graph.node.append(copy)
    if model.graph.output:
        model.graph.output[0].name = last


CHANGES = [
    delete_node, copy_node, swap_nodes, insert_node, insert_node, change_operator, change_operator, change_name,
    change_name, change_arity, change_attribute, change_attribute, change_attribute, add_attribute, change_constant,
    change_constant, change_small_constant, change_small_constant, change_small_constant, rename_constant,
    delete_constant, change_input, change_output, change_version, nest, repeat_node,
]  # fmt: skip
