# SPDX-License-Identifier: Apache-2.0
"""Conversations: messages in the form of the OpenAI API, as the library's structures."""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple, TypedDict, Union

from . import _library as c
from ._errors import ArgumentError
from ._handles import Handle
from ._images import ImageEmbedding, embeddings, remaining
from ._numbers import filled, listed, value_or
from ._options import text_bytes
from ._regions import Region, Structures
from ._work import Work

if TYPE_CHECKING:
    from typing import Literal

    from ._images import Images
    from ._model import Model

ROLES = {"user": c.FOVEA_ROLE_USER, "assistant": c.FOVEA_ROLE_ASSISTANT, "system": c.FOVEA_ROLE_SYSTEM}
#: The mark of an image in a text.
MARK = "<image>"


class _Sender(TypedDict):
    role: 'Literal["user", "assistant", "system"]'


class Message(_Sender, total=False):
    """One message of a conversation.

    content: a text, or a list of parts: texts, `{"type": "text", "text": …}`, and images, `{"type": "image", "image": …}` or
        `{"type": "image_url", "image_url": {"url": …}}` (a path or a data URL).
    images: a user's: an embedding, anything that `Model.encode_image` takes, or a list of these. They come where the text has `<image>`
        marks, else before it.
    regions: for the `<region>` marks of the text; their `image` counts over the images of all messages.
    """

    content: Union[str, Sequence[Mapping[str, Any]]]
    images: "Images"
    regions: Union[Region, Sequence[Region]]


class Structure:
    """Messages as C structures, with the memory they point to. Images are encoded, all within `deadline` seconds."""

    def __init__(self, messages: Sequence[Mapping[str, Any]], model: "Model", handle: Handle, work: Work, deadline: Optional[float]) -> None:
        if isinstance(messages, Mapping):
            raise ArgumentError("messages: a list of messages is needed.")
        messages = listed(messages, "messages", "messages")
        started = time.monotonic()
        self._kept: List[Any] = []
        self._images: List[ImageEmbedding] = []
        found = [self._structure(message, f"messages[{i}]", model, handle, work, deadline, started) for i, message in enumerate(messages)]
        self.count = len(found)
        self.array = (c.fovea_message * self.count)(*found)

    def _structure(
        self, message: Mapping[str, Any], name: str, model: "Model", handle: Handle, work: Work, deadline: Optional[float], started: float
    ) -> c.fovea_message:
        if not isinstance(message, Mapping):
            raise TypeError(f"{name}: a dict with role and content is needed, not {type(message).__name__}")
        unknown = sorted(set(message) - {"role", "content", "images", "regions"})
        if unknown:
            raise ArgumentError(f"{name}: has an unknown member {unknown[0]!r}.")
        role = message.get("role")
        if role not in ROLES:
            raise ArgumentError(f"{name}: role is {role!r}, must be one of {', '.join(ROLES)}.")
        text, images = _content(message.get("content", ""), name, model, handle)
        if message.get("images") is not None:
            if images:
                raise ArgumentError(f"{name}: has images beside those of its content.")
            images = message["images"]
        encoded = embeddings(model, handle, work, images, None if deadline is None else remaining(deadline, started))
        self._images += encoded
        held = [image._handle for image in encoded]
        handles = (ctypes.c_void_p * len(held))(*(handle.pointer for handle in held))
        regions = Structures(value_or((), message.get("regions")), self._images)
        self._kept += [held, handles, regions]
        return filled(
            c.fovea_message,
            role=ROLES[role],
            text=text_bytes(text, name),
            images=handles,
            image_count=len(held),
            regions=regions.array,
            region_count=regions.count,
        )


def _content(content: Any, name: str, model: "Model", handle: Handle) -> Tuple[str, Any]:
    """The text and the images of a message's content."""
    if isinstance(content, str):
        return content, ()
    if isinstance(content, (bytes, Mapping)) or not isinstance(content, Sequence):
        raise TypeError(f"{name}: content must be a text or a list of parts, not {type(content).__name__}")
    parts: List[Tuple[bool, Any]] = [_part(part, f"{name}.content[{i}]") for i, part in enumerate(content)]
    images = [value for is_image, value in parts if is_image]
    texts = [value for is_image, value in parts if not is_image]
    form = model._turns(handle)
    # Images that come first stand where the template puts them.
    if form["imagesFirst"] or all(is_image for is_image, _ in parts[: len(images)]):
        return form["between"].join(texts), images
    return "".join(MARK if is_image else value for is_image, value in parts), images


def _part(part: Any, name: str) -> Tuple[bool, Any]:
    """Whether a part is an image, and its image or text."""
    if isinstance(part, str):
        return False, part
    if not isinstance(part, Mapping):
        raise TypeError(f"{name}: a dict with a type is needed, not {type(part).__name__}")
    fields: Dict[str, Any] = dict(part)
    kind = fields.get("type")
    if kind == "text" and isinstance(fields.get("text"), str):
        return False, fields["text"]
    if kind == "image" and "image" in fields:
        return True, fields["image"]
    if kind == "image_url":
        url = fields.get("image_url")
        url = url.get("url") if isinstance(url, Mapping) else url
        if isinstance(url, str):
            return True, url
    raise ArgumentError(f"{name}: must be a text, an image or an image_url.")
