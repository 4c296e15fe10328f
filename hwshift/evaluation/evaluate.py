"""How well a network does on images: as a float network, and in the fixed-point arithmetic of an accelerator."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.data import Dataset
from hwshift.display import table
from hwshift.errors import DataError, HwshiftError
from hwshift.evaluation.batches import Advance, batch_size, in_batches
from hwshift.evaluation.layers import LayerScore, LayerTally, float_maps, layer_kinds, tally_layers
from hwshift.evaluation.memory import peak_memory
from hwshift.evaluation.models import Candidate, FixedModel, Formats, Kind, candidates
from hwshift.evaluation.scores import Score, Tally, tally
from hwshift.network.fixed import FixedNetwork
from hwshift.network.float_model import evaluate_float
from hwshift.network.graph import Network
from hwshift.network.quantize import float_layers

__all__ = ["Evaluation", "check_labels", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """Scores of several models on the same images.

    Members
    -------
    network : str
    origin : str
        What the images are.
    images : int
    labelled : bool
    classes : int or None
        None for a network whose output is a map.
    scores : tuple of Score
    layers : dict of str to tuple of LayerScore
        By model, where layers were asked for.
    peak_mib : float or None
        Most memory of the process until the end, in MiB, everything included; None where the system does not tell.
    """

    network: str
    origin: str
    images: int
    labelled: bool
    classes: int | None
    scores: tuple[Score, ...]
    layers: Mapping[str, tuple[LayerScore, ...]] = field(default_factory=dict)
    peak_mib: float | None = field(default=None, compare=False)

    def accuracy(self) -> dict[str, object]:
        """Accuracy of the last model, for people. Raises DataError where it is not known."""
        last = self.scores[-1]
        if last.correct is None:
            raise DataError(
                "there is nothing to tell an accuracy from: labels and classes are needed", where=self.origin
            )
        out: dict[str, object] = {"images": self.origin, "top-1": f"{last.correct / self.images:.2%}"}
        return out if last.correct5 is None else out | {"top-5": f"{last.correct5 / self.images:.2%}"}

    def _repr_html_(self) -> str:
        """In notebooks: a line per model."""

        def share(number: int | None) -> str | None:
            return None if number is None else f"{number / self.images:.2%}"

        rows = [
            (
                score.model,
                score.problem or score.detail,
                share(score.correct),
                share(score.agreeing),
                score.sqnr_db,
                score.in_lsb(score.max_error),
            )
            for score in self.scores
        ]
        titles = (
            "model",
            "arithmetic",
            "top-1",
            "as the float network",
            "SQNR dB",
            "largest error, last bits",
        )
        return table(titles, rows, caption=f"{self.network} on {self.images:,} images ({self.origin})")

    def as_dict(self) -> dict[str, object]:
        """All members, shares and errors in last bits, for JSON; what is infinite is null."""
        return {
            "network": self.network,
            "origin": self.origin,
            "images": self.images,
            "labelled": self.labelled,
            "classes": self.classes,
            "scores": [item.as_dict(self.images) for item in self.scores],
            "layers": {name: [layer.as_dict() for layer in rows] for name, rows in self.layers.items()},
            "peak_mib": None if self.peak_mib is None else round(self.peak_mib),
        }


def evaluate(
    network: Network | FixedNetwork,
    data: Dataset,
    *,
    config: AcceleratorConfig | None = None,
    formats: Formats | None = None,
    layers: bool = False,
    advance: Advance | None = None,
) -> Evaluation:
    """Run a network on images in each arithmetic that was asked for, on all cores, in bounded memory.

    Parameters
    ----------
    network : Network or FixedNetwork
        A float network is evaluated as such (float64), with fixed and with pow2 weights; a fixed-point network as
        it is.
    data : Dataset
    config : AcceleratorConfig or None
        Instead of both kinds of weights in exact arithmetic, what this accelerator computes.
    formats : Formats or None
        Instead of Q16.16 with both kinds of weights in exact arithmetic, every combination of these.
    layers : bool
        Also compare the values of every layer.
    advance : callable or None
        Is told how far it is.

    Returns
    -------
    Evaluation
        With the reason where a network does not fit an arithmetic.

    Raises
    ------
    ConfigError
        For formats beside a configuration.
    DataError
        For labels the network does not know, or labels for a network whose output is a map.
    NetworkError, QuantizeError
        When it can be run in no arithmetic that was asked for; names the layer.
    """
    classes = check_labels(network, data)
    wanted = candidates(network, config, formats or Formats())
    models, problems = _made(wanted)
    source = network if isinstance(network, Network) else None
    kinds = {item.name: item.kind for item in wanted}
    work = _Work(source, [(kinds[name], model) for name, model in models.items()], data, classes, layers)
    tallies, layer_tallies = work.run(batch_size(network, len(data), every_map=layers), advance)
    scores = [] if source is None else [tallies.pop(0).score("float", "float64")]
    counted: dict[str, tuple[LayerScore, ...]] = {}
    for item in wanted:
        if item.name in problems:
            scores.append(Score(item.name, item.detail, problem=problems[item.name]))
            continue
        model = models[item.name]
        scores.append(tallies.pop(0).score(item.name, item.detail, model.lsb))
        if layers:
            counted[item.name] = layer_tallies.pop(0).scores(model.network, work.kinds)
    labelled = data.labels is not None
    return Evaluation(
        network.name, data.origin, len(data), labelled, classes, tuple(scores), counted, peak_memory()
    )


def _made(wanted: list[Candidate]) -> tuple[dict[str, FixedModel], dict[str, str]]:
    """By name, the models that can run and why others cannot. Raises where none can."""
    models: dict[str, FixedModel] = {}
    problems: dict[str, str] = {}
    failure: HwshiftError | None = None
    for item in wanted:
        try:
            models[item.name] = item.make()
        except HwshiftError as error:
            failure = failure or error
            problems[item.name] = str(error)
    if failure is not None and not models:
        raise failure
    return models, problems


class _Work:
    """What is done with each batch: the float network first, then all models.

    Members
    -------
    kinds : dict of str to str
        What some layers are, for people.
    """

    def __init__(
        self,
        source: Network | None,
        models: list[tuple[Kind, FixedModel]],
        data: Dataset,
        classes: int | None,
        layers: bool,
    ) -> None:
        self._source, self._models, self._data, self._classes = source, models, data, classes
        self._layers = layers
        self._sources: dict[Kind, Network] = {}  # by kind of weights, what layers are compared with
        self.kinds: dict[str, str] = {}
        if layers and source is not None:
            for kind in dict.fromkeys(kind for kind, _ in models):
                self._sources[kind], chains = float_layers(source, kind)
                self.kinds |= layer_kinds(chains)

    def run(self, size: int, advance: Advance | None) -> tuple[list[Tally], list[LayerTally]]:
        """Sums over all images: the float network's and each model's tally, and each model's layers."""
        index = np.arange(len(self._data))
        totals: list[Tally] = []
        layers: list[LayerTally] = []
        for _, (found, of_layers) in in_batches(self._batch, index, size, "images", advance):
            totals = [a + b for a, b in zip(totals, found, strict=True)] if totals else found
            layers = [a + b for a, b in zip(layers, of_layers, strict=True)] if layers else of_layers
        return totals, layers

    def _batch(self, index: np.ndarray) -> tuple[list[Tally], list[LayerTally]]:
        images = self._data.images[index[0] : index[-1] + 1]
        labels = None if self._data.labels is None else self._data.labels[index]
        tallies: list[Tally] = []
        layers: list[LayerTally] = []
        reference = None
        if self._source is not None:
            reference = evaluate_float(self._source, images, dtype=np.float64)
            tallies.append(tally(reference, labels, None, self._classes))
        maps: Mapping[str, np.ndarray] | None = None
        held: Kind | None = None
        for kind, model in self._models:
            if self._layers:
                if kind != held and kind in self._sources:
                    held, names = kind, [layer.name for layer in model.network.layers]
                    maps = None  # lets go of the other kind's
                    maps = float_maps(self._sources[kind], names, images)
                found = model.trace(images)
                layers.append(tally_layers(model.network, found, images, maps))
                outputs = model.output_of(found)
            else:
                outputs = model.outputs(images)
            tallies.append(tally(outputs, labels, reference, self._classes))
        return tallies, layers


def check_labels(network: Network | FixedNetwork, data: Dataset) -> int | None:
    """How many classes the network tells apart; None for one whose output is a map.

    Raises
    ------
    DataError
        For labels that cannot be compared with its output.
    """
    last = network.output.shape if isinstance(network, FixedNetwork) else network.shapes()[network.output]
    classes = last[0] if last[1:] == (1, 1) else None
    if data.labels is None:
        return classes
    if classes is None:
        raise DataError(f"its output is a map {last}: labels cannot be compared with it", where=network.name)
    if data.labels.max() >= classes:
        image = int(data.labels.argmax())
        raise DataError(
            f"image {image} has the label {data.labels[image]}: allowed 0..{classes - 1}", where=data.origin
        )
    return classes
