"""Division and conjugate layers: a common complex factor removed early (Singhal, Xing and Yu 2022, section 3.5)."""

from torch import Tensor, nn

from phasebench.nn.complex.arithmetic import multiply_conjugate
from phasebench.nn.complex.conv import ComplexConv2d

DIVISION_OFFSET = 1e-7


def divide(numerator: Tensor, denominator: Tensor, offset: float = DIVISION_OFFSET) -> Tensor:
    """``numerator / denominator`` of planes, finite at zero (eq. 4).

    The offset stands beside the squared modulus, ``z1 z2* / (|z2|² + offset)``, not beside the modulus as printed:
    this form is smooth at zero.
    """
    squared = denominator.square().sum(dim=1, keepdim=True)
    return multiply_conjugate(numerator, denominator / (squared + offset))


class _FilteredPair(nn.Module):
    """A map and a filtered copy of it, cropped to the same size."""

    def __init__(self, channels: int, kernel_size: int, padding: int, single_filter: bool) -> None:
        super().__init__()
        self.filter = ComplexConv2d(channels, 1 if single_filter else channels, kernel_size, padding=padding)
        self.margin = (kernel_size - 1) // 2 - padding

    def pair(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        return self.crop(planes), self.filter(planes)

    def crop(self, planes: Tensor) -> Tensor:
        """Drop the border that the filter's output lacks."""
        height, width = planes.shape[-2:]
        return planes[..., self.margin : height - self.margin, self.margin : width - self.margin]


class Division(_FilteredPair):
    """Division layer: ``z g* / (|g|² + 1e-7)`` with ``g = W * z`` (Singhal, Xing and Yu 2022, eq. 4).

    A map divided by a filtered copy of itself; invariant to phase and, up to the offset, to magnitude.

    Parameters
    ----------
    channels : int
        Complex channels in and out.
    kernel_size : int
        Odd size of the filter.
    padding : int
        Zero padding of the filter; without it the map is cropped to the filter's output.
    single_filter : bool
        One filtered channel shared by all, instead of one for each.
    offset : float
        Added to the squared modulus of the denominator.

    Examples
    --------
    >>> import torch
    >>> layer = Division(3, kernel_size=3, padding=1)
    >>> layer(torch.randn(2, 2, 3, 8, 8)).shape
    torch.Size([2, 2, 3, 8, 8])
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        padding: int = 0,
        single_filter: bool = False,
        offset: float = DIVISION_OFFSET,
    ) -> None:
        super().__init__(channels, kernel_size, padding, single_filter)
        self.offset = offset

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to ``(N, 2, C, H', W')``."""
        numerator, denominator = self.pair(planes)
        return divide(numerator, denominator, self.offset)

    def after(self, convolution: ComplexConv2d, planes: Tensor, scale: Tensor) -> Tensor:
        """``scale * self(convolution(planes))``, equal up to rounding, and faster.

        The scale is folded into the convolution for the numerator, and the filter joined with it for the denominator.

        Parameters
        ----------
        convolution : ComplexConv2d
            Without groups and bias.
        planes : Tensor
            Its input, shape ``(N, 2, C_in, H, W)``.
        scale : Tensor
            Complex numbers for the channels, shape ``(2, C)``.
        """
        numerator = self.crop(convolution(planes, scale))
        return divide(numerator, self.filter.after(convolution, planes), self.offset)


class Conjugate(_FilteredPair):
    """Conjugate layer: ``z g*`` with ``g = W * z`` (Singhal, Xing and Yu 2022, eq. 5).

    A map times the conjugate of a filtered copy of itself; invariant to phase, quadratic in magnitude.

    Parameters
    ----------
    channels, kernel_size, padding, single_filter
        As in :class:`Division`.

    Examples
    --------
    >>> import torch
    >>> layer = Conjugate(3, kernel_size=3)
    >>> layer(torch.randn(2, 2, 3, 8, 8)).shape
    torch.Size([2, 2, 3, 6, 6])
    """

    def __init__(self, channels: int, kernel_size: int, padding: int = 0, single_filter: bool = False) -> None:
        super().__init__(channels, kernel_size, padding, single_filter)

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(N, 2, C, H, W)`` to ``(N, 2, C, H', W')``."""
        return multiply_conjugate(*self.pair(planes))
