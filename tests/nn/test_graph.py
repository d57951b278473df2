"""Graph convolutions against loops over nodes, what the unweighted graph destroys, and what a batch's mean leaks."""

import numpy as np
import pytest
import torch
from torch import Tensor

from phasebench.models.graph import GraphNet, shuffled
from phasebench.models.lenet import complex_lenet_audio
from phasebench.models.registry import build_model, count_parameters
from phasebench.nn.graph import GraphConvolution, HermitianGraphConvolution, mean_distance, normalised

ARMS = ("graph_unweighted", "graph_phase", "graph_phase_batch_mean", "graph_phase_shuffled", "graph_magnitude")


def inputs(n_clips: int = 4) -> Tensor:
    """Planes whose two halves are of the size of coefficients of power and of phase."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n_clips, 2, 1, 13, 126, generator=generator) * 20.0


def weights_of(planes: Tensor) -> Tensor:
    return mean_distance(planes[:, 1, 0])


def slow_convolution(
    nodes: np.ndarray, weights: np.ndarray, weight: np.ndarray, bias: np.ndarray, angle: np.ndarray
) -> np.ndarray:
    """One graph, node by node, with native complex numbers."""
    n_nodes = len(nodes)
    degree = [1.0 + sum(weights[i, j] for j in range(n_nodes) if j != i) for i in range(n_nodes)]
    rows = []
    for i in range(n_nodes):
        total = nodes[i] / degree[i] + 0j
        for j in range(n_nodes):
            if j != i:
                edge = weights[i, j] * np.exp(1j * (angle[i] - angle[j]))
                total = total + edge / np.sqrt(degree[i] * degree[j]) * nodes[j]
        rows.append(total @ weight + bias)
    return np.stack(rows)


def test_edge_weights_equal_a_loop() -> None:
    nodes = torch.randn(2, 5, 7, dtype=torch.float64)
    expected = [[[(x[i] - x[j]).abs().mean() for j in range(5)] for i in range(5)] for x in nodes]
    torch.testing.assert_close(mean_distance(nodes), torch.tensor(expected, dtype=torch.float64))


def test_real_convolution_equals_a_loop() -> None:
    layer = GraphConvolution(126, 126).double()
    torch.nn.init.normal_(layer.bias)
    planes = inputs().double()
    nodes, weights = planes[:, 0, 0], weights_of(planes)
    found = layer(nodes, weights).detach()
    for index in range(4):
        expected = slow_convolution(
            *(value.detach().numpy() for value in (nodes[index], weights[index], layer.weight, layer.bias)),
            np.zeros(13),
        )
        np.testing.assert_allclose(found[index], expected.real, rtol=1e-10, atol=1e-10)


def test_hermitian_convolution_equals_a_loop() -> None:
    layer = HermitianGraphConvolution(126, 126).double()
    torch.nn.init.normal_(layer.bias)
    planes = inputs().double()
    nodes, weights, phases = planes[:, 0, 0], weights_of(planes), planes[:, 1, 0].mean(dim=2)
    found = layer(nodes, weights, phases).detach()
    weight, bias = torch.complex(*layer.weight.detach()), torch.complex(*layer.bias.detach())
    for index in range(4):
        expected = slow_convolution(
            *(value.numpy() for value in (nodes[index], weights[index], weight, bias, phases[index]))
        )
        np.testing.assert_allclose(torch.complex(*found[index]).numpy(), expected, rtol=1e-9, atol=1e-9)


def test_the_real_convolution_is_the_hermitian_one_without_phases() -> None:
    real, hermitian = GraphConvolution(126, 126).double(), HermitianGraphConvolution(126, 126).double()
    with torch.no_grad():
        hermitian.weight[0], hermitian.weight[1] = real.weight, 0.0
    planes = inputs().double()
    nodes, weights = planes[:, 0, 0], weights_of(planes)
    # Equal phases are as good as none.
    found = hermitian(nodes, weights, torch.full((4, 13), 0.7, dtype=torch.float64))
    torch.testing.assert_close(found[:, 0], real(nodes, weights))
    assert float(found[:, 1].detach().abs().max()) < 1e-12


def test_the_normalised_adjacency_is_hermitian_with_spectral_radius_at_most_one() -> None:
    weights = weights_of(inputs().double())
    angle = torch.randn(4, 13, dtype=torch.float64)
    edges = torch.polar(weights, angle[:, :, None] - angle[:, None])
    matrix = torch.complex(
        normalised(edges.real, weights),
        normalised(edges.imag, weights) - normalised(torch.zeros_like(weights), weights),
    )
    torch.testing.assert_close(matrix, matrix.mH)
    assert float(torch.linalg.eigvalsh(matrix).abs().max()) <= 1.0 + 1e-12


@pytest.mark.parametrize("weight", [1.0, 0.3, 25.0])
def test_equal_weights_mix_all_nodes_alike(weight: float) -> None:
    matrix = normalised(*2 * (weight * (1.0 - torch.eye(13, dtype=torch.float64)),))
    expected = (weight + (1 - weight) * torch.eye(13, dtype=torch.float64)) / (1 + 12 * weight)
    torch.testing.assert_close(matrix, expected)
    assert int(torch.linalg.matrix_rank(matrix)) == (1 if weight == 1.0 else 13)


def test_without_weights_every_node_gets_the_mean() -> None:
    model, planes = GraphNet(2, edges="none").double(), inputs().double()
    nodes, phases = planes[:, :, 0].unbind(1)
    features = model.convolution(nodes, model._weights(nodes, phases))
    torch.testing.assert_close(features, features[:, :1].expand(-1, 13, -1))
    # So that a clip with its spectrum upside down is the same clip.
    model.eval()
    torch.testing.assert_close(model(planes.flip(3)), model(planes))
    weighted = GraphNet(2, edges="phase").double().eval()
    assert not torch.allclose(weighted(planes.flip(3)), weighted(planes))


@pytest.mark.parametrize("hermitian", [False, True])
def test_permuted_nodes_give_permuted_outputs(hermitian: bool) -> None:
    layer = HermitianGraphConvolution(126, 126) if hermitian else GraphConvolution(126, 126)
    planes, order = inputs().double(), torch.randperm(13, generator=torch.Generator().manual_seed(1))

    def of(part: Tensor) -> Tensor:
        phases = [part[:, 1, 0].mean(dim=2)] if hermitian else []
        result: Tensor = layer.double()(part[:, 0, 0], weights_of(part), *phases)
        return result

    torch.testing.assert_close(of(planes[:, :, :, order]), of(planes)[..., order, :])


@pytest.mark.parametrize("name", [*ARMS, "graph_hermitian"])
def test_parameters_and_gradients(name: str) -> None:
    added = 32_004 if name == "graph_hermitian" else 16_002
    for n_classes, network in ((2, 1_204_794), (10, 1_212_810)):
        model = build_model(name, n_classes=n_classes, in_channels=1, planes=(0, 1))
        assert count_parameters(model) == network + added
    logits = model(inputs())
    assert logits.shape == (4, 10)
    logits.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("name", [arm for arm in (*ARMS, "graph_hermitian") if arm != "graph_phase_batch_mean"])
def test_a_prediction_does_not_depend_on_the_other_clips_of_a_batch(name: str) -> None:
    model = build_model(name, n_classes=10, in_channels=1, planes=(0, 1)).double().eval()
    planes = inputs(6).double()
    torch.testing.assert_close(model(planes[2:3]), model(planes)[2:3])


def test_the_mean_over_a_batch_leaks_what_the_other_clips_are() -> None:
    """One clip, whose own phases say nothing, among clips of one class or of the other."""
    generator = torch.Generator().manual_seed(0)
    clip = torch.randn(1, 2, 1, 13, 126, dtype=torch.float64, generator=generator)
    quiet, loud = (scale * torch.randn(31, 2, 1, 13, 126, dtype=torch.float64, generator=generator) for scale in (1, 9))
    leaking, honest = GraphNet(2, edges="phase_batch_mean").double().eval(), GraphNet(2, edges="phase").double().eval()
    seen = {model: [model(torch.cat((clip, others)))[0] for others in (quiet, loud)] for model in (leaking, honest)}
    torch.testing.assert_close(*seen[honest])
    assert float((seen[leaking][0] - seen[leaking][1]).detach().abs().max()) > 1e-3
    # The weights alone name the class of the company.
    weights = [
        leaking._weights(batch[:, 0, 0], batch[:, 1, 0])[0].mean()
        for batch in (torch.cat((clip, quiet)), torch.cat((clip, loud)))
    ]
    assert weights[1] > 5 * weights[0]


def test_the_mean_is_over_blocks_of_32_in_order() -> None:
    model, planes = GraphNet(2, edges="phase_batch_mean").double(), inputs(70).double()
    nodes, phases = planes[:, :, 0].unbind(1)
    weights = model._weights(nodes, phases)
    for start, end in ((0, 32), (32, 64), (64, 70)):
        expected = mean_distance(phases[start:end].mean(dim=0, keepdim=True))
        torch.testing.assert_close(weights[start:end], expected.expand(end - start, -1, -1))


def test_shuffled_weights_are_the_same_weights() -> None:
    torch.manual_seed(0)
    model, planes = GraphNet(2, edges="phase_shuffled"), inputs()
    weights, moved = weights_of(planes), model._weights(planes[:, 0, 0], planes[:, 1, 0])
    torch.testing.assert_close(moved, moved.mT)
    assert not torch.equal(moved, weights)
    row, column = torch.triu_indices(13, 13, offset=1)
    of_pairs = [one[:, row, column].sort(dim=1).values for one in (weights, moved)]
    torch.testing.assert_close(*of_pairs)
    torch.testing.assert_close(shuffled(weights, torch.arange(78)), weights)
    assert "order" in model.state_dict()


def test_the_network_behind_the_graph_is_that_of_the_audio_experiment() -> None:
    model = GraphNet(10, edges="phase")
    assert model.network.state_dict().keys() == complex_lenet_audio(10).state_dict().keys()
    with pytest.raises(ValueError, match="one complex channel, got 2"):
        GraphNet(10, in_channels=2)
