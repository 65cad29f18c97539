"""The panel that edits what is selected: where it is, what belongs to it, how it looks, what is cleaned away."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import viser

from scenekit import edits
from scenekit.edits.place import parent_path
from scenekit.errors import InputError
from scenekit.scene import Edit, SceneState, join, split_path
from scenekit.selection import Everything, Selection
from scenekit.viewer.jobs import answering
from scenekit.viewer.node_gizmos import MoveGizmo, NodeGizmo, ScaleGizmo
from scenekit.viewer.panels.controls import button, by_hand, set_value
from scenekit.viewer.session import Chosen, Shown

if TYPE_CHECKING:
    from scenekit.viewer.viewer import Viewer

Fits = Callable[[Chosen], bool]
"""Whether a button can do anything with what is selected."""

AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}


def is_node(chosen: Chosen) -> bool:
    """A whole node below the root."""
    return chosen.where is None and chosen.path != "/"


def is_whole(chosen: Chosen) -> bool:
    """A whole node, or all there is."""
    return chosen.where is None


def is_part(chosen: Chosen) -> bool:
    """A part of a node."""
    return chosen.where is not None


def is_not_all(chosen: Chosen) -> bool:
    """A node below the root, or a part."""
    return is_node(chosen) or is_part(chosen)


def is_anything(chosen: Chosen) -> bool:
    """Whatever is selected."""
    return True


class EditPanel:
    """Changes what is selected, each time by one edit that can be undone.

    Args:
        viewer: Whose tab is open now.
    """

    def __init__(self, viewer: Viewer):
        self._viewer, self._session, self._gui = viewer, viewer.session, viewer.server.gui
        self._buttons: list[tuple[viser.GuiButtonHandle, Fits]] = []
        parts = viewer.server, viewer.session, viewer.drawing
        self.gizmos: dict[str, NodeGizmo] = {"move and turn": MoveGizmo(*parts), "scale": ScaleGizmo(*parts)}
        for title, controls, open_ in (
            ("Object", self._add_object, True),
            ("Part", self._add_part, True),
            ("Place by numbers", self._add_place, False),
            ("Look", self._add_look, False),
            ("Clean", self._add_clean, False),
        ):
            with self._gui.add_folder(title, expand_by_default=open_):
                controls()
        command = self._gui.add_command("Delete what is selected", hotkey="delete")
        command.on_trigger(answering(lambda event: self._delete(self._session.selected)))
        self._session.on_change(lambda before, now: self._show(now, before.state is not now.state))
        self._show(self._session.shown, True)

    def _add(
        self,
        label: str,
        fits: Fits,
        do: Callable[[Chosen], None],
        *,
        icon: viser.IconName | None = None,
        hint: str = "",
    ) -> viser.GuiButtonHandle:
        """A button that does something with what is selected."""
        handle = button(self._gui, label, lambda event: do(self._session.selected), icon=icon, hint=hint or None)
        self._buttons.append((handle, fits))
        return handle

    def _add_edit(
        self, label: str, fits: Fits, edit: Callable[[Chosen], Edit], hint: str = ""
    ) -> viser.GuiButtonHandle:
        """A button that makes an edit of what is selected."""
        return self._add(label, fits, lambda chosen: self._session.apply(edit(chosen)), hint=hint)

    def _add_slow_edit(self, label: str, fits: Fits, edit: Callable[[Chosen], Edit]) -> viser.GuiButtonHandle:
        """A button that makes an edit which takes a while."""

        def start(event: viser.GuiEvent[Any]) -> None:
            made = edit(self._session.selected)
            self._viewer.jobs.start(str(made), lambda: self._session.apply(made), client=event.client)

        handle = button(self._gui, label, start)
        self._buttons.append((handle, fits))
        return handle

    def _add_object(self) -> None:
        self.handles = self._gui.add_dropdown("Handles", (*self.gizmos, "none"), hint="To drag the selected node by.")
        self.handles.on_update(by_hand(lambda event: self._show_handles()))
        self._show_handles()
        self.factor = self._gui.add_number("Factor", 1.0, min=0.0, step=0.01)
        self.scale = self._add_edit("Scale", is_whole, lambda c: edits.Scale(c.path, self.factor.value))
        self.name = self._gui.add_text("Name", "")
        self.rename = self._add("Rename", is_node, self._rename)
        self.duplicate = self._add("Duplicate", is_node, self._duplicate)
        self.delete = self._add("Delete", is_not_all, self._delete, icon=viser.Icon.TRASH)
        self.other = self._gui.add_dropdown("Other node", ("/",))
        self.merge = self._add("Merge with it", is_node, self._merge, hint="The other becomes part of this one.")
        self.reparent = self._add("Hang below it", is_node, self._reparent, hint="It stays where it is.")

    def _show_handles(self) -> None:
        for name, gizmo in self.gizmos.items():
            gizmo.show(name == self.handles.value)

    def _add_part(self) -> None:
        self.new_name = self._gui.add_text("Name of the new object", "")
        self.split = self._add("Split to object", is_part, self._split)
        self.crop = self._add_edit("Crop to it", is_part, lambda c: edits.Crop(c.path, c.where or Everything()))

    def _add_place(self) -> None:
        self.by = self._gui.add_vector3("By [m]", (0.0, 0.0, 0.0), step=0.01)
        self.move = self._add_edit("Move", is_whole, lambda c: edits.Move(c.path, self.by.value))
        self.axis = self._gui.add_dropdown("Axis", tuple(AXES), initial_value="z")
        self.angle = self._gui.add_number("Angle [degrees]", 90.0)
        self.rotate = self._add_edit(
            "Rotate", is_whole, lambda c: edits.Rotate(c.path, self.angle.value, AXES[self.axis.value])
        )
        self.mirror = self._add_edit("Mirror along the axis", is_whole, self._mirror)

    def _add_look(self) -> None:
        default = edits.Recolor("/")
        self.exposure = self._gui.add_slider("Exposure [EV]", -4.0, 4.0, 0.1, default.exposure)
        self.temperature = self._gui.add_slider("Temperature [K]", 2000.0, 15000.0, 1.0, default.temperature)
        self.tint = self._gui.add_slider("Tint [EV]", -1.0, 1.0, 0.02, default.tint)
        self.hue = self._gui.add_slider("Hue [degrees]", -180.0, 180.0, 1.0, default.hue)
        self.saturation = self._gui.add_slider("Saturation", 0.0, 3.0, 0.05, default.saturation)
        self.light = self._gui.add_rgb("Through a filter", (255, 255, 255))
        self.recolor = self._add("Recolour", is_anything, self._recolor)
        self.times = self._gui.add_slider("Opacity ×", 0.0, 3.0, 0.05, 0.5)
        self.opacity = self._add_edit(
            "Change opacity", is_anything, lambda c: edits.SetOpacity(c.path, self.times.value, where=_where(c))
        )

    def _add_clean(self) -> None:
        self.floaters = self._add_slow_edit("Remove floaters", is_whole, lambda c: edits.RemoveFloaters(c.path))
        self.keep = self._gui.add_slider("Share to keep", 0.01, 1.0, 0.01, 0.5)
        self.decimate = self._add_slow_edit(
            "Decimate", is_whole, lambda c: edits.Decimate(c.path, keep=self.keep.value)
        )
        self.mend = self._add_slow_edit("Mend meshes", is_whole, lambda c: edits.Mend(c.path))

    def _rename(self, chosen: Chosen) -> None:
        self._make(edits.Rename(chosen.path, self.name.value), then=join(parent_path(chosen.path), self.name.value))

    def _duplicate(self, chosen: Chosen) -> None:
        copy = free_path(self._session.shown.state, chosen.path)
        self._make(edits.Duplicate(chosen.path, copy), then=copy)

    def _delete(self, chosen: Chosen) -> None:
        self._make(edits.Delete(chosen.path, chosen.where), then=None)

    def _merge(self, chosen: Chosen) -> None:
        self._session.apply(edits.Merge(chosen.path, self.other.value))

    def _reparent(self, chosen: Chosen) -> None:
        to = join(self.other.value, split_path(chosen.path)[-1])
        self._make(edits.Reparent(chosen.path, self.other.value), then=to)

    def _split(self, chosen: Chosen) -> None:
        if chosen.where is None:
            raise InputError("selection", got="a whole node", wanted="a part of one")
        name, parent = self.new_name.value, parent_path(chosen.path)
        to = join(parent, name) if name else free_path(self._session.shown.state, join(parent, "part"))
        self._make(edits.Split(chosen.path, chosen.where, to), then=to)

    def _mirror(self, chosen: Chosen) -> Edit:
        return edits.Mirror(chosen.path, AXES[self.axis.value])

    def _recolor(self, chosen: Chosen) -> None:
        """Recolour by the sliders, and put them back: the next time, they count from how it looks then."""
        default = edits.Recolor("/")
        red, green, blue = (value / 255 for value in self.light.value)
        sliders = ("exposure", "temperature", "tint", "hue", "saturation")
        set_to = {name: getattr(self, name).value for name in sliders}
        self._session.apply(edits.Recolor(chosen.path, gains=(red, green, blue), where=_where(chosen), **set_to))
        for name in sliders:
            set_value(getattr(self, name), getattr(default, name))
        set_value(self.light, (255, 255, 255))

    def _make(self, edit: Edit, *, then: str | None) -> None:
        """Make an edit and select a node, or nothing, after it."""
        with self._session.lock:
            self._session.apply(edit)
            self._session.choose(then)

    def _show(self, now: Shown, state_changed: bool) -> None:
        for handle, fits in self._buttons:
            handle.disabled = now.chosen is None or not fits(now.chosen)
        if state_changed:
            paths = tuple(path for path, _ in now.state.walk())
            self.other.options = paths if paths != self.other.options else self.other.options
        if now.chosen is not None and now.chosen.path != "/":
            set_value(self.name, split_path(now.chosen.path)[-1])


def free_path(state: SceneState, path: str) -> str:
    """The path, or one like it that no node has yet: /mug_2, /mug_3 …"""
    count, free = 1, path
    while free in state:
        count += 1
        free = f"{path}_{count}"
    return free


def _where(chosen: Chosen) -> Selection:
    return chosen.where or Everything()
