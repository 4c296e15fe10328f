"""Small ONNX models, built node by node and compared with ONNX's reference implementation."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from hwshift.importers import from_onnx
from hwshift.network.float_model import evaluate_float

from ..seeds import generator


class Graph:
    """Collects nodes and constants of a model with input ``x``."""

    def __init__(self, shape=(1, 4, 6, 5), seed=0):
        self.rng = generator(seed)
        self.shape, self.nodes, self.constants, self.last = shape, [], [], "x"

    def const(self, values):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def ints(self, *values):
        return self.const(np.array(values, np.int64))

    def random(self, *shape):
        return self.const(self.rng.normal(size=shape).astype(np.float32))

    def add(self, kind, *inputs, name=None, outputs=1, **attrs):
        """Returns the output's name, or the list of them where there are several."""
        names = [f"t{len(self.nodes)}" + (f"_{number}" if outputs > 1 else "") for number in range(outputs)]
        node = helper.make_node(
            kind, list(inputs), names, name=name or f"{kind.lower()}_{len(self.nodes)}", **attrs
        )
        self.nodes.append(node)
        self.last = names[0]
        return names[0] if outputs == 1 else names

    def model(self, opset=17, output=None):
        info = helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)
        output = helper.make_tensor_value_info(output or self.last, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "g", [info], [output], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def check(graph, opset=17):
    """Import and compare with the reference on random input; returns the network."""
    model = graph.model(opset)
    network = from_onnx(model)
    x = graph.rng.normal(size=(1, *graph.shape[1:])).astype(np.float32)
    expected = ReferenceEvaluator(model).run(None, {"x": x})[0]
    shape = network.nodes[0].op.shape(())
    actual = evaluate_float(network, x.reshape(1, *shape))
    assert actual.size == expected.size
    np.testing.assert_allclose(actual.reshape(expected.shape), expected, rtol=1e-4, atol=1e-5)
    return network


def kinds(network):
    """The operators of the network after its input."""
    return [type(node.op).__name__ for node in network.nodes[1:]]
