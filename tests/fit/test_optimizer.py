"""The fused Adam kernel against torch.optim.Adam, and moments that follow their Gaussians."""

import pytest
import torch

from scenekit.errors import InputError
from scenekit.fit.optimizer import Adam, Rates
from scenekit.splats import random_splats

RATES = Rates(1e-2, 2e-2, 3e-2, 4e-2, 5e-2, 6e-3)


def gradients(splats, seed):
    rng = torch.Generator().manual_seed(seed)
    for tensor in splats.tensors().values():
        tensor.grad = torch.randn(tensor.shape, generator=rng) * 10 ** (torch.rand(tensor.shape, generator=rng) * 8 - 6)


@pytest.mark.parametrize("n", [1, 63, 64, 65, 1000])
@pytest.mark.parametrize("degree", [0, 1, 3])
@pytest.mark.parametrize("step", [Adam.step, Adam.step_by_number])
def test_steps_agree_with_torch(n, degree, step):
    start = random_splats(n, degree=degree)
    adam = Adam(start)
    twin = {name: t.double() for name, t in start.tensors().items() if name != "sh"}
    twin |= {"sh": start.sh[:, :1].double(), "sh_rest": start.sh[:, 1:].double()}
    groups = [{"params": [t.requires_grad_()], "lr": getattr(RATES, name)} for name, t in twin.items()]
    reference = torch.optim.Adam(groups, eps=1e-15)
    for seed in range(5):
        gradients(adam.splats, seed)
        for name, tensor in twin.items():
            source = adam.splats.sh.grad if name.startswith("sh") else adam.splats.tensors()[name].grad
            source = source[:, :1] if name == "sh" else source[:, 1:] if name == "sh_rest" else source
            tensor.grad = source.double()
        step(adam, RATES)
        reference.step()
    ours = adam.splats.tensors() | {"sh": adam.splats.sh[:, :1], "sh_rest": adam.splats.sh[:, 1:]}
    for name, tensor in twin.items():
        torch.testing.assert_close(ours[name].detach().double(), tensor.detach(), rtol=2e-6, atol=2e-6, msg=name)


def test_a_gaussian_that_was_never_seen_does_not_move():
    start = random_splats(10)
    adam = Adam(start)
    for tensor in adam.splats.tensors().values():
        tensor.grad = torch.zeros_like(tensor)
    adam.step(RATES)
    for name, tensor in adam.splats.tensors().items():
        assert torch.equal(tensor.detach(), start.tensors()[name])


def test_moments_follow_their_gaussians():
    adam = Adam(random_splats(20))
    gradients(adam.splats, 0)
    adam.step(RATES)
    before = {name: m.clone() for name, m in adam.first.items()}
    rows = torch.tensor([3, 7, 7, 19])
    means = adam.splats.means.detach()[rows]
    adam.keep(rows)
    adam.append(random_splats(5, seed=1))
    assert len(adam.splats) == 9
    assert torch.equal(adam.splats.means.detach()[:4], means)
    for name, moment in adam.first.items():
        assert torch.equal(moment[:4], before[name][rows])
        assert (moment[4:] == 0).all()
    adam.forget(torch.tensor([0]), "means")
    assert (adam.first["means"][0] == 0).all() and (adam.first["quats"][0] != 0).all()


def test_a_step_without_gradients_is_refused():
    with pytest.raises(InputError, match="backward"):
        Adam(random_splats(3)).step(RATES)


def test_no_gaussians_are_no_trouble():
    adam = Adam(random_splats(0))
    gradients(adam.splats, 0)
    adam.step(RATES)
    assert len(adam.splats) == 0
