"""Accuracy on the test set in random order, for networks whose predictions may depend on the rest of a batch."""

import pandas as pd
import torch

from phasebench.common.seeding import Stream, generator
from phasebench.evaluation.trained import TrainedRun
from phasebench.models.inference import EVALUATION_BATCH, predict

N_DRAWS = 5


def evaluate_mixed_batches(run: TrainedRun) -> pd.DataFrame:
    """Rows of ``mixed_batches_accuracy``, one for each of five random orders.

    The usual test accuracy is that of the stored order, in which the clips of a class follow one another.
    """
    data, rows = run.data, []
    for draw in range(N_DRAWS):
        order = torch.randperm(len(data.test), generator=generator(run.spec.seed, Stream.ORDER, draw))
        test = data.test[order.to(data.device)]
        prediction = predict(run.model, data.batches(test, EVALUATION_BATCH)).argmax(dim=1)
        accuracy = (prediction == data.labels[test]).double().mean().item()
        rows.append({"metric": "mixed_batches_accuracy", "condition": float("nan"), "draw": draw, "value": accuracy})
    return pd.DataFrame(rows)
