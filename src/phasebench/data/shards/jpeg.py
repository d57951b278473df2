"""Decoding of JPEG images to pixels."""

import io

import numpy as np
import torch
from torch import Tensor

from phasebench.common.errors import PhasebenchError
from phasebench.data.saved_pages import SAVED_PAGE, is_page

MOST_PIXELS = 89_478_485
"""The largest image of ImageNet has two thirds of it."""
_NO_IMAGE = "no JPEG, PNG, GIF or WebP image"


def decode(content: bytes | np.ndarray) -> Tensor:
    """Decode a JPEG, or another image that is called one, to uint8 ``(3, H, W)``.

    Grey is repeated, 16 bits become 8, and of an animation the first picture is taken.

    Raises
    ------
    PhasebenchError
        It is cut, empty or no image, or says that it is larger than :data:`MOST_PIXELS`.
    """
    _check_size(content)
    return decode_checked(content)


def decode_checked(content: bytes | np.ndarray) -> Tensor:
    """:func:`decode` of an image of a shard, whose size was checked before it was written there.

    Raises
    ------
    PhasebenchError
        It is cut or no image.
    """
    # Here, since torchvision takes a second to import and most data sets are in memory.
    from torchvision.io import ImageReadMode, decode_image

    array = np.array(np.frombuffer(content, dtype=np.uint8))
    try:
        image: Tensor = decode_image(torch.from_numpy(array), mode=ImageReadMode.RGB)
    except RuntimeError as error:
        # Before the reason stands where in torchvision's sources it was found.
        reason = str(error).splitlines()[0].rpartition(", ")[2]
        raise PhasebenchError(reason) from error
    if image.ndim == 4:
        image = image[0]
    if image.dtype == torch.uint16:
        image = (image.to(torch.int32) >> 8).to(torch.uint8)
    if image.dtype != torch.uint8 or image.ndim != 3 or len(image) != 3:
        raise PhasebenchError(f"decodes to {image.dtype} {tuple(image.shape)}, not to three planes of bytes")
    return image


def _check_size(content: bytes | np.ndarray) -> None:
    """Refuse what is no image, and one that says that it is too large, before it takes memory."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(bytes(content))) as image:
            width, height = image.size
    except UnidentifiedImageError as error:
        is_empty = not len(content)
        reason = SAVED_PAGE if is_page(bytes(content[:1024])) else "it is empty" if is_empty else _NO_IMAGE
        raise PhasebenchError(reason) from error
    except Image.DecompressionBombError as error:
        raise PhasebenchError(f"it says that it has more than {MOST_PIXELS:,} pixels") from error
    except Exception as error:  # PIL's plugins raise whatever they meet
        raise PhasebenchError(f"its header is damaged ({' '.join(str(error).split())})") from error
    if not 0 < width * height <= MOST_PIXELS:
        raise PhasebenchError(f"it says that it has {width} x {height} pixels; {MOST_PIXELS:,} are the most")
