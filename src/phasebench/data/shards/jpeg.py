"""Decoding of JPEG images to pixels."""

import numpy as np
import torch
from torch import Tensor

from phasebench.common.errors import PhasebenchError


def decode(content: bytes | np.ndarray) -> Tensor:
    """Decode a JPEG, or a PNG that is called one, to uint8 ``(3, H, W)``; grey is repeated.

    Raises
    ------
    PhasebenchError
        It is cut, empty, or no image.
    """
    # Here, since torchvision takes a second to import and most data sets are in memory.
    from torchvision.io import ImageReadMode, decode_image

    encoded = torch.from_numpy(np.array(np.frombuffer(content, dtype=np.uint8)))
    try:
        image: Tensor = decode_image(encoded, mode=ImageReadMode.RGB)
    except RuntimeError as error:
        # Before the reason stands where in torchvision's sources it was found.
        reason = str(error).splitlines()[0].rpartition(", ")[2]
        raise PhasebenchError(reason) from error
    return image
