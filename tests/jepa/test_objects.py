"""Object masks: what is hidden, that it stays hidden, and what is learned of bodies that pull at each other."""

import pytest
import torch

from scenekit.errors import InputError
from scenekit.jepa.objects import ObjectConfig, ObjectObjective, Slots

CONFIG = ObjectConfig(features=3, actions=2, history=4, future=2, masked=2, width=16, depth=1, heads=2)


def model(config: ObjectConfig = CONFIG) -> ObjectObjective:
    torch.manual_seed(0)
    made = ObjectObjective(config)
    torch.nn.init.normal_(made.out.weight)  # as if it had learned something
    return made


def slots(b: int = 8, s: int = 6, o: int = 5) -> Slots:
    generator = torch.Generator().manual_seed(1)
    return Slots(torch.randn(b, s, o, 3, generator=generator), torch.randn(b, s, 1, 2, generator=generator))


def test_masks_hide_so_many_objects_and_the_future_and_are_others_at_each_call():
    generator, seen = torch.Generator().manual_seed(0), set()
    for _ in range(50):
        hidden = model().masks(slots(), generator=generator)
        assert not hidden[:, 0].any() and hidden[:, 4:].all()
        assert (hidden[:, 1:4].sum(2) == 2).all()
        assert (hidden[:, 1] == hidden[:, 3]).all()  # the same objects at all steps
        seen.add(tuple(hidden[:, 1].flatten().tolist()))
    assert len(seen) == 50


def test_what_is_hidden_changes_no_answer_but_its_anchor_does():
    jepa, before = model(), slots()
    hidden = jepa.masks(before, generator=torch.Generator().manual_seed(0))
    answer = jepa._filled(before, hidden)
    states = torch.where(hidden[..., None], torch.randn_like(before.states), before.states)
    assert torch.equal(answer, jepa._filled(Slots(states, before.actions), hidden))
    chosen = hidden[:, 1].float().argmax(1)
    moved = before.with_state(0, chosen, torch.full((8, 3), 3.0))
    assert not torch.allclose(answer, jepa._filled(moved, hidden))


def test_a_model_begins_with_objects_that_stay_where_they_were_first_seen():
    torch.manual_seed(0)
    history = Slots(slots().states[:, :4], slots().actions[:, :4])
    assert torch.equal(ObjectObjective(CONFIG).predict(history), history.states[:, :1].expand(-1, 2, -1, -1))


def test_an_action_changes_what_is_predicted_and_the_order_of_objects_only_its_order():
    jepa, clip = model(), slots()
    history, later = Slots(clip.states[:, :4], clip.actions[:, :4]), clip.actions[:, 4:]
    free = jepa.predict(history, later)
    assert free.shape == (8, 2, 5, 3)
    assert not torch.allclose(free, jepa.predict(history, later + 1))
    order = torch.tensor([3, 1, 4, 0, 2])
    turned = jepa.predict(Slots(history.states[:, :, order], history.actions), later)
    assert torch.allclose(turned, free[:, :, order], atol=1e-5)


def test_without_masks_only_the_future_counts():
    jepa = model(ObjectConfig(features=3, actions=2, history=4, future=2, masked=0, width=16, depth=1, heads=2))
    terms = jepa.losses(slots(), generator=torch.Generator().manual_seed(0))
    assert set(terms) == {"future"}
    assert set(model().losses(slots(), generator=torch.Generator().manual_seed(0))) == {"future", "history"}


def test_what_cannot_be_used_is_said():
    with pytest.raises(InputError, match="slots"):
        Slots.of(torch.zeros(2, 3, 4))
    with pytest.raises(InputError, match="slots"):
        model().masks(slots(o=2), generator=torch.Generator())
    with pytest.raises(InputError, match="slots"):
        model().masks(slots(s=5), generator=torch.Generator())
    with pytest.raises(InputError, match="history"):
        model().predict(slots())
    with pytest.raises(InputError, match="objects masked"):
        ObjectConfig(features=3, history=1, masked=1)
