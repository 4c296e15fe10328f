"""The source's own rules that no linter knows: who may import whom, what gateware must not use."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOTS = {"hwshift": "hwshift", "golden": "hwshift.golden", "rtl": "hwshift.rtl", "sim": "hwshift.sim"}

# A module imports its own layer and those above it in this list. The longest prefix that fits decides.
LAYERS = [
    [
        "hwshift",
        "hwshift.cache",
        "hwshift.display",
        "hwshift.errors",
        "hwshift.kernels",
        "hwshift.palette",
        "hwshift.progress",
        "hwshift.tools",
        "hwshift.writing",
    ],
    ["hwshift.golden.formats", "hwshift.golden.integers", "hwshift.golden.scale", "hwshift.golden.sigmoid"],
    [
        "hwshift.config",
        "hwshift.timing",
        "hwshift.network",
        "hwshift.exporters",
        "hwshift.importers",
        "hwshift.zoo",
        "hwshift.data",
        "hwshift.resolve",
    ],
    ["hwshift.golden"],
    ["hwshift.compiler", "hwshift.program", "hwshift.evaluation", "hwshift.quantization"],
    ["hwshift.rtl", "hwshift.sim", "hwshift.testing", "hwshift.hls", "hwshift.synthesis"],
    [
        "hwshift.generation",
        "hwshift.handover",
        "hwshift.simulation",
        "hwshift.testbench",
        "hwshift.trace",
        "hwshift.vectors",
        "hwshift.verification",
    ],
    ["hwshift.cost"],
    ["hwshift.reports"],
    ["hwshift.api", "hwshift.benchmarks", "hwshift.demo", "hwshift.search"],
    ["hwshift.cli"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def layer_of(module):
    """Level of a module in `LAYERS`; None if it is in no layer."""
    parts = module.split(".")
    for end in range(len(parts), 1, -1):
        if (level := LEVEL.get(".".join(parts[:end]))) is not None:
            return level
    return LEVEL["hwshift"] if module == "hwshift" else None


def imports_of(tree, module, is_package):
    """Names of the hwshift modules that a module imports, anywhere in it."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "hwshift")
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*parents, *([node.module] if node.module else [])])
            if source.split(".")[0] == "hwshift":
                yield from (f"{source}.{alias.name}" if _is_module(source, alias.name) else source
                            for alias in node.names)  # fmt: skip


def _is_module(package, name):
    path = FILES.get(package)
    return path is not None and path.name == "__init__.py" and f"{package}.{name}" in FILES


def _files():
    for folder, root in ROOTS.items():
        for file in (ROOT / folder).rglob("*.py"):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            yield ".".join([root, *(part for part in parts if part != "__init__")]), file


FILES = dict(_files())


@pytest.mark.parametrize("module", sorted(FILES))
def test_layers(module):
    level = layer_of(module)
    assert level is not None, f"{module} stands in no layer: add it to LAYERS"
    file = FILES[module]
    names = set(imports_of(ast.parse(file.read_text()), module, file.name == "__init__.py"))
    unknown = sorted(name for name in names if layer_of(name) is None)
    assert unknown == [], f"{module} imports what stands in no layer: add it to LAYERS"
    assert sorted(name for name in names if layer_of(name) > level) == [], f"{module} imports a higher layer"


def test_relative_and_nested_imports_are_seen():
    tree = ast.parse(
        "def f():\n    from ..cli import main\n    import hwshift.cost.tables\n    from . import x\n"
    )
    found = set(imports_of(tree, "hwshift.golden.conv", is_package=False))
    assert found == {"hwshift.cli", "hwshift.cost.tables", "hwshift.golden"}


def test_the_longest_prefix_decides():
    assert (
        layer_of("hwshift.golden.formats")
        < layer_of("hwshift.network.graph")
        < layer_of("hwshift.golden.conv")
    )
    assert layer_of("hwshift.unheard_of") is None


@pytest.mark.parametrize("module", sorted(name for name in FILES if name.startswith("hwshift.rtl")))
def test_gateware(module):
    """Annotations must not be strings, which silently empties layouts; Record does not warn by itself."""
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            assert not (node.module == "__future__" and "annotations" in names), "remove this import"
        if isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            assert name not in {"Record", "add_sync_process", "Settle"}, (
                f"line {node.lineno}: {name} goes away"
            )
